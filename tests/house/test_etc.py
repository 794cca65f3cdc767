"""The examples in ``etc/`` parse, and what they say fits the code."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from antigravity.config.settings import ProxySettings, effective_auth_mode
from antigravity.config.snapshot import load
from antigravity.tap import Options

ETC = Path(__file__).parents[2] / "etc"
ROOT = ETC.parent
DEFAULTS = ProxySettings()


def settings_of(environ: Mapping[str, str], folder: Path) -> ProxySettings:
    """Return the ``[proxy]`` settings that an environment makes; a wrong name is an error."""
    configuration = load(folder, None, environ=environ)
    assert configuration.warnings == () or all(
        w.severity != "error" for w in configuration.warnings
    )
    return configuration.settings.proxy


# systemd


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    """Return the unit; keys may be repeated there, and the last one is kept."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((ETC / "antigravity.service").read_text("ascii"))
    return parser


def test_unit_starts_gateway(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program.endswith("/bin/twistd")
    assert arguments[:3] == ["-n", "--pidfile=", "antigravity"]
    options = Options()
    options.parseOptions(arguments[3:])
    assert options["home"] == f"/var/lib/{service['StateDirectory']}"
    assert service["Type"] == "simple"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_unit_waits_longer_than_shutdown_grace(unit: configparser.ConfigParser) -> None:
    assert float(unit["Service"]["TimeoutStopSec"]) > DEFAULTS.shutdown_grace


def test_unit_lets_gateway_stop_its_programs(unit: configparser.ConfigParser) -> None:
    assert unit["Service"]["KillMode"] == "mixed"


def test_unit_drops_privileges(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    for name, value in {
        "DynamicUser": "yes",
        "StateDirectoryMode": "0700",
        "UMask": "0077",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    }.items():
        assert service[name] == value, name


def test_unit_has_only_known_keys(unit: configparser.ConfigParser) -> None:
    assert unit.sections() == ["Unit", "Service", "Install"]
    for section in unit.sections():
        for key in unit[section]:
            assert re.fullmatch(r"[A-Z][A-Za-z]+", key), key


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_unit_is_valid_for_systemd(unit: configparser.ConfigParser, tmp_path: Path) -> None:
    text = (ETC / "antigravity.service").read_text("ascii")
    program = shlex.split(unit["Service"]["ExecStart"])[0]
    file = tmp_path / "antigravity.service"
    file.write_text(text.replace(program, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        0,
        "",
    )  # it ignores what it does not know, and says so


# Docker


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    lines = (ETC / "Dockerfile").read_text("ascii").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    found = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in found) if word]


def of(name: str) -> list[str]:
    return [rest for word, rest in instructions() if word == name]


def test_files_copied_into_image_exist_and_are_not_ignored() -> None:
    ignored = (ETC / "Dockerfile.dockerignore").read_text("ascii").splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source
        for rest in of("COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert "*" in ignored
    assert copied == let_through
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert {"setup.py", "antigravity.pth", "antigravity.start", "twisted"} <= copied


def test_image_installs_hashed_versions_then_gateway() -> None:
    installs = [part for rest in of("RUN") for part in re.split(r" (?:&&|\|\|) ", rest)]
    installs = [part for part in installs if " install " in part and "/pip " in part]
    assert [part.partition(" install ")[2] for part in installs] == [
        "--require-hashes --requirement requirements/run.txt",
        "--require-hashes --requirement requirements/redis.txt",
        "--require-hashes --requirement requirements/mp3.txt",
        "--require-hashes --requirement requirements/postgres.txt",
        "--require-hashes --requirement requirements/otel.txt",
        "--no-deps --no-build-isolation .",
    ]


def test_image_runs_unprivileged() -> None:
    words = [word for word, _ in instructions()]
    assert of("USER") == ["antigravity"]
    assert words.index("USER") < words.index("CMD")
    (volume,) = of("VOLUME")
    assert any(f"ANTIGRAVITY_HOME={volume}" in rest for rest in of("ENV"))
    assert any(f"-m 0700 -o antigravity -g antigravity {volume}" in rest for rest in of("RUN"))


def test_image_requires_key(tmp_path: Path) -> None:
    variables = dict(item.split("=", 1) for rest in of("ENV") for item in rest.split())
    proxy = settings_of(variables, tmp_path)
    assert proxy.allow_lan_access
    assert effective_auth_mode(proxy) == "all_except_health"


def test_image_starts_gateway_with_health_check() -> None:
    (command,) = of("CMD")
    assert json.loads(command) == ["twistd", "-n", "--pidfile=", "antigravity"]
    assert of("EXPOSE") == [str(DEFAULTS.port)]
    (check,) = of("HEALTHCHECK")
    program, flag, code = json.loads(check.partition("CMD ")[2])
    assert (program, flag) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert f":{DEFAULTS.port}/healthz" in code


def test_compose_file_matches_image(tmp_path: Path) -> None:
    text = (ETC / "compose-single.yaml").read_text("ascii")
    code = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    for line in code:
        indent = len(line) - len(line.lstrip())
        assert indent % 2 == 0
        assert "\t" not in line
        assert re.fullmatch(r" *(?:- )?(?:[\w./-]+:(?: .+)?|\S.*)", line), line
    assert re.findall(r"^(\w+):", text, re.MULTILINE) == ["services", "volumes"]
    assert f'"127.0.0.1:{DEFAULTS.port}:{DEFAULTS.port}"' in text
    (dockerfile,) = re.findall(r"dockerfile: (\S+)", text)
    (context,) = re.findall(r"context: (\S+)", text)
    assert (ETC / context / dockerfile).is_file()
    (volume,) = of("VOLUME")
    assert f"- home:{volume}\n" in text
    (grace,) = re.findall(r"stop_grace_period: (\d+)s", text)
    assert float(grace) > DEFAULTS.shutdown_grace
    named = dict(re.findall(r"(ANTIGRAVITY_\w+): (\S+)", text))
    assert named
    settings_of(
        {name: value if "$" not in value else "" for name, value in named.items()}, tmp_path
    )


# nginx


#: The example for one gateway, and that for several; tests/deployment runs nginx with both.
NGINX = ("nginx.conf", "nginx/gateways.conf")


def nginx(name: str = "nginx.conf") -> str:
    lines = (ETC / name).read_text("ascii").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def test_nginx_example_is_well_formed() -> None:
    text = nginx()
    depth = 0
    for token in re.findall(r"[{}]", text):
        depth += 1 if token == "{" else -1
        assert depth >= 0
    assert depth == 0
    statements = re.sub(r"\s+", " ", text).replace("{", "{;").replace("}", ";};")
    for statement in filter(None, (s.strip() for s in statements.split(";"))):
        assert re.fullmatch(r"\}|[a-z_']+(?: .+)?(?: ?\{)?", statement), statement
    assert text.index("log_format antigravity") < text.index("antigravity.log antigravity;")
    assert "$request_uri" not in text
    assert "$query_string" not in text


def test_nginx_example_leads_to_port_of_gateway() -> None:
    assert f"server 127.0.0.1:{DEFAULTS.port};" in nginx()
    assert f"server gateway-1:{DEFAULTS.port} " in nginx("nginx/gateways.conf")


@pytest.mark.parametrize("name", NGINX)
def test_nginx_example_allows_streams_and_waits_longer_than_gateway(name: str) -> None:
    text = nginx(name)
    assert "proxy_buffering off;" in text
    assert "proxy_set_header Upgrade $http_upgrade;" in text
    (size,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(size) * 1024 * 1024 >= DEFAULTS.max_body_bytes
    for name in ("read", "send"):
        (limit,) = re.findall(rf"proxy_{name}_timeout (\d+)s;", text)
        assert float(limit) > DEFAULTS.request_timeout
    for limit in re.findall(r"keepalive_timeout (\d+)s;", text):
        assert float(limit) < DEFAULTS.idle_timeout
    for limit in re.findall(r"proxy_next_upstream_timeout (\d+)s;", text):
        assert float(limit) < 660


@pytest.mark.parametrize("name", [*NGINX, "envoy/envoy.yaml"])
def test_settings_of_balancers_are_valid(name: str, tmp_path: Path) -> None:
    text = (ETC / name).read_text("ascii")
    shown = re.findall(r"^#   (\[proxy\]|\w+ = .+)$", text, re.MULTILINE)
    (tmp_path / "antigravity.toml").write_text("\n".join(shown))
    proxy = load(tmp_path, None, environ={}).settings.proxy
    # Envoy checks the health of gateways without a key.
    is_checked = name == "envoy/envoy.yaml"
    assert effective_auth_mode(proxy) == ("all_except_health" if is_checked else "strict")
    assert proxy.allowed_hosts == ["gateway.example.org"]
    names = re.findall(r"server_name (\S+);", text)
    assert names == ([] if is_checked else proxy.allowed_hosts)


# Envoy


def test_envoy_example_waits_longer_than_gateway() -> None:
    text = (ETC / "envoy" / "envoy.yaml").read_text("ascii")
    (limit,) = re.findall(r" stream_idle_timeout: (\d+)s", text)
    assert float(limit) > DEFAULTS.request_timeout
    (limit,) = re.findall(r"^            idle_timeout: (\d+)s", text, re.MULTILINE)
    assert float(limit) < DEFAULTS.idle_timeout
    assert text.count(" timeout: 0s\n") == 3
    assert text.count(f"port_value: {DEFAULTS.port}\n") == 2


# All files


def test_examples_hold_no_secret() -> None:
    for name in ("compose.yaml", "compose-single.yaml"):
        text = (ETC / name).read_text("ascii")
        values = re.findall(r"^ +(\w*(?:KEY|PASSWORD|SECRET|URL)): (\S+)", text, re.MULTILINE)
        assert values
        for variable, value in values:
            assert value.startswith(("${", "redis://:${", "postgresql://antigravity:${")), variable
    example = (ETC / "kubernetes" / "secret.env.example").read_text("ascii")
    lines = [line for line in example.splitlines() if not line.startswith("#")]
    assert lines
    assert all(re.fullmatch(r"[A-Z_]+=", line) for line in lines)
    settings = (ETC / "kubernetes" / "settings.env").read_text("ascii")
    assert not re.search(r"^\w*(?:KEY|PASSWORD|SECRET|URL)", settings, re.MULTILINE)


def test_every_image_that_is_not_built_here_has_a_version() -> None:
    text = (ETC / "compose.yaml").read_text("ascii")
    images = re.findall(r"^ *image: (\S+)$", text, re.MULTILINE)
    assert images.count("antigravity:local") == 1
    for image in images:
        assert re.fullmatch(r"[a-z]+:(local|\d[\d.]*)", image), image
