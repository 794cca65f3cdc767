"""Every command and every setting of the tutorials works, in their order, for a new user.

Providers are simulated.  What cannot be run here is listed with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import docutils.core
import pytest
from docutils import nodes

from tests.support.gateway_process import Running, clean_environment, running
from tests.support.pages import ROOT

PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.rst"))
#: Commands that are not run, by their beginning, and why.
EXCEPTIONS = {
    "sudo nginx": "it needs root and an nginx; the file it checks is tested with the reverse proxy",
    "curl https://gateway.example.org": "that host does not exist",
    "python -m pip install": "it would change this environment; the example plugin's test does it",
}
#: Where the simulator stands in for a provider.
UPSTREAMS = {"GEMINI_API": "", "ANTHROPIC": "", "OPENAI": "/v1"}
COMMAND = (sys.executable, "-m", "antigravity")


class User:
    """A new user with a home, a terminal and a simulated network."""

    def __init__(self, folder: Path, simulator: str, stack: ExitStack) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.stack = stack
        self.gateway: Running | None = None
        self.run_commands: list[str] = []
        programs = folder / "bin"
        programs.mkdir()
        (programs / "antigravity").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
        (programs / "claude").write_text("#!/bin/sh\necho started for $ANTHROPIC_BASE_URL\n")
        for program in programs.iterdir():
            program.chmod(0o755)
        self.environment = {
            **clean_environment(self.home),
            "HOME": str(folder),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "ANTIGRAVITY_PROXY__PORT": "0",
            "ANTIGRAVITY_PROXY__ZAI__BASE_URL": simulator,
        }
        for name, path in UPSTREAMS.items():
            prefix = f"ANTIGRAVITY_UPSTREAMS__{name}"
            self.environment[f"{prefix}__KIND"] = name.lower()
            self.environment[f"{prefix}__BASE_URL"] = simulator + path

    def configure(self, text: str) -> None:
        """Add settings to the configuration file."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        file = self.home / "antigravity.toml"
        before = file.read_text() if file.exists() else ""
        file.write_text(f"{before}\n{text}\n")
        file.chmod(0o600)

    def type(self, line: str) -> str:
        """Type a command, and return what it prints."""
        self.run_commands.append(line)
        if line == "antigravity serve":
            self.gateway = self.stack.enter_context(
                running((*COMMAND, "serve"), self.home, self.folder, self.environment)
            )
            self.gateway.address()
            return ""
        if line.startswith("antigravity connect"):
            line += " --yes"
        if self.gateway is not None:
            line = line.replace("http://127.0.0.1:8045", self.gateway.address())
        if line.startswith("curl "):
            line = line.replace("curl ", "curl --silent --fail --noproxy '*' ", 1)
        done = subprocess.run(
            line,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            input=f"sk-{len(self.run_commands)}-of-the-user\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a simulator, and return its address."""
    folder = tmp_path_factory.mktemp("simulator")
    twistd = shutil.which("twistd", path=str(Path(sys.executable).parent))
    assert twistd is not None
    command = (twistd, "-n", "--pidfile=", "antigravity-simulator", "--port", "0")
    with running(command, folder / "home", folder) as process:
        yield "http://127.0.0.1:" + process.wait_for_log(r"Site starting on (\d+)")


@pytest.fixture
def user(tmp_path: Path, simulator: str) -> Iterator[User]:
    with ExitStack() as stack:
        yield User(tmp_path, simulator, stack)


def steps(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the settings and commands of a page in their order."""
    document = docutils.core.publish_doctree(page.read_text("utf-8"))
    for block in document.findall(nodes.literal_block):
        language = next(name for name in block["classes"] if name != "code")
        text = block.astext()
        if language != "console":
            yield language, text
            continue
        for line in text.replace("\\\n", " ").splitlines():
            assert line.startswith("$ "), (page.name, line)
            yield language, re.sub(r"\s+# .*", "", line.removeprefix("$ ")).strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorial_works(page: Path, user: User) -> None:
    said = {}
    for language, text in steps(page):
        if language == "toml":
            user.configure(text)
        elif not any(text.startswith(beginning) for beginning in EXCEPTIONS):
            said[text] = user.type(text)
    assert len(said) >= 2, "nothing was tried"
    check = CHECKS.get(page.stem)
    if check is not None:
        check(user, said)
    if user.gateway is not None:
        assert user.gateway.process.poll() is None
        assert "Traceback" not in user.gateway.log


def claude_code(user: User, said: dict[str, str]) -> None:
    assert "gemini-2.5-pro" in said["antigravity explain claude-sonnet-5 --client claude-code"]
    assert user.gateway is not None
    assert said["antigravity run claude"] == f"started for {user.gateway.address()}\n"
    settings = (user.folder / ".claude" / "settings.json").read_text()
    assert user.gateway.address() in settings


def codex(user: User, said: dict[str, str]) -> None:
    assert 'model = "claude-sonnet-5"' in (user.folder / ".codex" / "config.toml").read_text()


def accounts(user: User, said: dict[str, str]) -> None:
    assert "first" in said["antigravity status"]
    assert said["antigravity accounts test ALL"].count("works") >= 2


def team(user: User, said: dict[str, str]) -> None:
    (metrics,) = (text for line, text in said.items() if line.startswith("curl "))
    assert "antigravity_" in metrics


def plugin(user: User, said: dict[str, str]) -> None:
    assert (user.folder / "antigravity-weather").is_dir()


CHECKS = {
    "claude-code-on-gemini": claude_code,
    "codex-on-claude": codex,
    "many-accounts": accounts,
    "team": team,
    "plugin": plugin,
}


def test_every_exception_is_used() -> None:
    lines = [text for page in PAGES for language, text in steps(page) if language == "console"]
    for beginning in EXCEPTIONS:
        assert any(line.startswith(beginning) for line in lines), beginning
