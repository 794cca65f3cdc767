"""The README and the list of endpoints are true; what the README shows works against the demo."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from antigravity.app.mcp.relay import READER, SEARCH
from antigravity.app.mcp.vision import PATH as VISION
from antigravity.config.settings import ProxySettings
from antigravity.connect.clients import CLIENTS
from antigravity.plugins import PluginHost
from antigravity.version import VERSION
from tests.house.pages import run, run_curl, run_python, table
from tests.support.gateway_process import clean_environment, get
from tests.support.pages import ROOT, blocks, commands

PAGE = "README.rst"
ENDPOINTS = "docs/endpoints.rst"
README = (ROOT / PAGE).read_text("utf-8")
PROMPT = "Hello!"
ADMIN = {
    *(("any", path) for path in ("/internal/warmup", "/admin/…", "/dashboard", "/dashboard/…")),
}


def test_readme_names_default_port() -> None:
    assert set(re.findall(r"(?:127\.0\.0\.1:|port )(\d+)", README)) == {str(ProxySettings().port)}


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_readme_make_targets_exist() -> None:
    targets = [command.split()[1] for command in commands(PAGE) if command.startswith("make ")]
    assert targets == ["run", "test", "wheel"]
    for target in targets:
        done = run(["make", "-n", "-C", str(ROOT), target], ROOT)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_readme_commands_exist(tmp_path: Path) -> None:
    lines = [shlex.split(line) for line in commands(PAGE)]
    ours = [line for line in lines if Path(line[0]).name == "antigravity"]
    assert [line[1] for line in ours] == [
        "accounts",
        "doctor",
        "serve",
        "connect",
        "disconnect",
        "run",
    ]
    for program, *arguments in ours:
        assert program in (".venv/bin/antigravity", "antigravity")
        if arguments[0] == "run":  # what follows belongs to the client
            arguments = ["run"]
        done = run([sys.executable, "-m", "antigravity", *arguments, "--help"], tmp_path)
        assert done.returncode == 0, done.stderr


def test_readme_first_account_can_be_added(tmp_path: Path) -> None:
    (line,) = (line for line in commands(PAGE) if " accounts add " in line)
    done = subprocess.run(
        [sys.executable, "-m", "antigravity", *shlex.split(line)[1:]],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        input="AIza-a-key\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_readme_curl_command_works(demo: str, tmp_path: Path) -> None:
    (line,) = (line for line in commands(PAGE) if line.startswith("curl "))
    answer = json.loads(run_curl(line, demo, tmp_path))
    assert answer["choices"][0]["message"]["content"] == PROMPT


@pytest.mark.usefixtures("with_sdks")
def test_readme_python_snippet_works(demo: str, tmp_path: Path) -> None:
    (code,) = blocks(PAGE, "python")
    assert run_python(code, demo, tmp_path) == f"{PROMPT}\n"


def test_readme_installs_what_make_builds() -> None:
    (install,) = (line for line in commands(PAGE) if line.startswith("pipx install "))
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", "utf-8")
    name = metadata["metadata"]["name"].replace("-", "_")
    assert shlex.split(install)[2:] == [f"dist/{name}-*.whl"]
    assert "--outdir dist" in (ROOT / "Makefile").read_text("utf-8")


def test_first_page_names_the_wheel_of_this_version_and_every_extra() -> None:
    page = (ROOT / "docs/start.rst").read_text("utf-8")
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", "utf-8")
    name = metadata["metadata"]["name"].replace("-", "_")
    assert page.count(f"dist/{name}-{VERSION}-py3-none-any.whl[redis]'") == 2
    extras = set(metadata["options.extras_require"])
    sentence = page.partition("which the extras ")[2].partition(" name.")[0]
    named = set(re.findall(r"``(\w+)``", sentence))
    assert named == {each for each in extras if not each.startswith(("test", "docs"))}


def test_readme_counts_clients_with_a_configuration() -> None:
    counted = re.search(r"settings of (\w+) programs and editors", README)
    assert counted is not None
    changed = [each for each in CLIENTS.values() if each.files]
    assert (counted[1], len(changed)) == ("thirteen", 13)


def test_readme_is_short_and_its_pictures_exist() -> None:
    assert len(README.splitlines()) <= 126
    pictures = re.findall(r"^\.\. image:: (\S+)$", README, re.MULTILINE)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture


def test_readme_models_are_listed(demo: str) -> None:
    listed = {model["id"] for model in json.loads(get(f"{demo}/v1/models"))["data"]}
    named = set(re.findall(r"[\"`]((?:gpt|claude|gemini)-[\w.-]+)[\"`]", README))
    assert named
    assert named <= listed


def test_endpoint_table_is_complete() -> None:
    listed = {
        (method, path)
        for methods, paths, *_ in table(ENDPOINTS, "Method")
        for method in methods.split()
        for path in re.findall(r"/[^\s,]*", paths)
    }
    host = PluginHost()
    host.load(installed=False)
    servers = (*host.registry.servers.values(), *host.registry.embedding_servers.values())
    served = {
        (route.method, re.sub(r"\{\w+(\.\.\.)?\}", "{id}", route.path))
        for server in servers
        for route in server.routes
    }
    google = {(m, p) for m, p in served if p.startswith("/v1beta/")}
    assert google
    assert {(method, path.replace("/v1beta/", "/v1/")) for method, path in google} <= served
    served = {(m, p) for m, p in served if not re.match(r"/v1/(models/\{id\}[:/]|interactions)", p)}
    ours = {("POST", "/v1/models/detect"), ("GET", "/files/{name}"), ("any", "/mcp"), *ADMIN}
    ours |= {("any", path) for path in (SEARCH, READER, VISION)}
    ours |= {("GET", path) for path in ("/healthz", "/readyz", "/key-proof")}
    ours |= {("HEAD", "/api/hello")}
    ours |= {(method, f"/docs{more}") for method in ("GET", "HEAD") for more in ("", "/…")}
    ours |= {("POST", f"/v1/api/event_logging{more}") for more in ("", "/batch")}
    assert listed == served | ours


def test_readme_links_to_every_page() -> None:
    linked = set(re.findall(r"<(docs/[\w.-]+)>`_", README))
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.rst")}
    # The first page is for the built documentation; the others include files that are linked.
    included = {f"docs/{name}.rst" for name in ("index", "contributing", "changelog", "benchmarks")}
    assert linked == pages - included


def test_upstream_table_is_complete() -> None:
    host = PluginHost()
    host.load(installed=False)
    assert {row[0] for row in table(ENDPOINTS, "Kind")} == set(host.registry.upstream_kinds)
