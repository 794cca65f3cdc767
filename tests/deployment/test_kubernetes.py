"""The Kubernetes example: kubectl builds it, and Kubernetes' own schemas accept it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from antigravity.config.settings import ProxySettings, effective_auth_mode
from antigravity.config.snapshot import load
from tests.deployment.programs import find
from tests.support.gateway_process import running

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "etc" / "kubernetes"
#: An old version that many clusters still have; without one, the newest is used.
VERSIONS = ("1.30", "")


def environment(text: str) -> dict[str, str]:
    """Return the variables of a file for ``envs``."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that kubectl builds, with secrets."""
    folder = tmp_path_factory.mktemp("kubernetes") / "example"
    shutil.copytree(EXAMPLE, folder)
    example = (folder / "secret.env.example").read_text("ascii")
    (folder / "secret.env").write_text(re.sub(r"=$", "=value", example, flags=re.MULTILINE))
    done = subprocess.run(
        [find("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    file = folder.with_name("built.yaml")
    file.write_text(done.stdout)
    return file


@pytest.fixture(scope="module")
def documents(built: Path) -> dict[str, Any]:
    """Return what is applied, by kind."""
    found = list(YAML(typ="safe").load_all(built.read_text()))
    assert len({each["kind"] for each in found}) == len(found)
    return {each["kind"]: each for each in found}


@pytest.fixture(scope="module")
def pod(documents: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = documents["Deployment"]["spec"]["template"]["spec"]
    return found


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["containers"]
    return dict(found)


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_accept_example(built: Path, version: str) -> None:
    chosen = ["-k", version] if version else []
    done = subprocess.run(
        [find("kubernetes-validate"), "--strict", *chosen, str(built)],
        capture_output=True,
        text=True,
        check=False,
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    kinds = ("configmap", "secret", "service", "deployment", "poddisruptionbudget")
    for kind in kinds:
        assert f"passed for resource {kind}/" in text


def test_nothing_is_built_without_secrets() -> None:
    assert not (EXAMPLE / "secret.env").exists()
    done = subprocess.run(
        [find("kubectl"), "kustomize", str(EXAMPLE)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "secret.env" in done.stderr


def test_secrets_are_in_the_secret_only(documents: dict[str, Any], container: Any) -> None:
    assert set(documents["Secret"]["data"]) == set(
        environment((EXAMPLE / "secret.env.example").read_text("ascii"))
    )
    sources = [name for each in container["envFrom"] for name in each]
    assert sources == ["configMapRef", "secretRef"]
    assert container["envFrom"][1]["secretRef"]["name"] == documents["Secret"]["metadata"]["name"]


def test_pods_are_selected(documents: dict[str, Any]) -> None:
    labels = documents["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for kind, path in (
        ("Deployment", ("selector", "matchLabels")),
        ("PodDisruptionBudget", ("selector", "matchLabels")),
        ("Service", ("selector",)),
    ):
        found = documents[kind]["spec"]
        for name in path:
            found = found[name]
        assert found.items() <= labels.items(), kind


def test_service_and_probes_use_the_port_of_the_gateway(
    documents: dict[str, Any], container: Any
) -> None:
    (port,) = container["ports"]
    assert port["containerPort"] == ProxySettings().port
    (served,) = documents["Service"]["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    for name in ("startupProbe", "livenessProbe"):
        assert container[name]["httpGet"] == {"path": "/healthz", "port": port["name"]}


def test_gateway_can_drain_before_it_is_killed(
    documents: dict[str, Any], pod: Any, container: Any, tmp_path: Path
) -> None:
    proxy = settings(documents, tmp_path).proxy
    (word, pause) = container["lifecycle"]["preStop"]["exec"]["command"]
    assert word == "sleep"
    assert pod["terminationGracePeriodSeconds"] >= float(pause) + proxy.shutdown_grace + 10


def test_home_is_a_folder_that_the_gateway_makes(container: Any) -> None:
    (home,) = [each["value"] for each in container["env"] if each["name"] == "ANTIGRAVITY_HOME"]
    mounts = [each["mountPath"] for each in container["volumeMounts"]]
    assert str(Path(home).parent) in mounts


def test_pods_are_not_privileged(pod: Any, container: Any) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    user = pod["securityContext"]["runAsUser"]
    assert f"--uid {user} " in (ROOT / "etc" / "Dockerfile").read_text("ascii")
    assert pod["automountServiceAccountToken"] is False
    # Otherwise the variables of a Service with this name would be taken for settings.
    assert pod["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def settings(documents: dict[str, Any], home: Path) -> Any:
    """Return the settings of a pod; a wrong one fails."""
    variables = {
        **documents["ConfigMap"]["data"],
        **dict.fromkeys(documents["Secret"]["data"], ""),
        "ANTIGRAVITY_PROXY__API_KEY": "some-key",
        "ANTIGRAVITY_PROXY__ALLOW_LAN_ACCESS": "true",  # the image sets it
    }
    configuration = load(home, environ=variables)
    assert configuration.warnings == ()
    return configuration.settings


def test_settings_let_probes_and_the_service_in(documents: dict[str, Any], tmp_path: Path) -> None:
    proxy = settings(documents, tmp_path).proxy
    assert effective_auth_mode(proxy) == "all_except_health"
    assert documents["Service"]["metadata"]["name"] in proxy.allowed_hosts


def test_readiness_probe_asks_a_real_gateway(container: Any, tmp_path: Path) -> None:
    import os
    import sys

    command = container["readinessProbe"]["exec"]["command"]
    assert command[:2] == ["python", "-ISc"]
    home = tmp_path / "home"
    twistd = Path(sys.executable).with_name("twistd")
    variables = {
        "PATH": os.environ["PATH"],
        "ANTIGRAVITY_HOME": str(home),
        "ANTIGRAVITY_PROXY__API_KEY": "probe-key",
        "ANTIGRAVITY_PROXY__AUTH_MODE": "all_except_health",
        "ANTIGRAVITY_UPSTREAMS__GEMINI__KIND": "gemini_api",
    }
    for key, code in (("some-key", 0), ("", 1)):
        variables["ANTIGRAVITY_UPSTREAMS__GEMINI__API_KEY"] = key
        start = [str(twistd), "-n", "--pidfile=", "antigravity", "--port", "0"]
        with running(start, home, tmp_path, variables) as gateway:
            port = gateway.address().rpartition(":")[2].strip("/")
            script = command[2].replace(":8045/", f":{port}/")
            done = subprocess.run(
                [sys.executable, "-ISc", script], env=variables, capture_output=True, check=False
            )
            assert done.returncode == code, done.stderr
            gateway.stop()
