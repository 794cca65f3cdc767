"""Clients that ``antigravity connect`` has connected, or ``antigravity run`` has started, answer.

Each begins in a fresh home with settings of its owner's, next to a gateway that runs the demo.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from antigravity.connect.client import Places, Target
from antigravity.connect.clients import CLIENTS
from tests.clients.drivers import isolated_environment
from tests.clients.programs import Finished, run_client
from tests.support.npm import UnavailableError, find_client
from tests.support.pypi import ensure_environment
from tests.support.server_process import Server

SAID = "ZEBRA-42"
PROMPT = f"[[say {SAID}]]"
ANTIGRAVITY = Path(sys.executable).with_name("antigravity")


class DemoGateway(Server):
    """A gateway with the demo, which the commands find by its home."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        super().__init__(["antigravity", "--port", "0", "--home", str(self.home), "--demo"], folder)
        self.address = self.wait_for(r"listening on (http://[\d.:]+)")[1]


@dataclass(frozen=True)
class Case:
    """How a client answers one prompt.

    :ivar find: returns its program, which it installs if needed.
    :ivar arguments: before the prompt.
    :ivar variables: what keeps it from updates and reports; nothing about the gateway.
    :ivar own: settings of its owner's, by path below the home.
    :ivar adds: what it writes by itself into a file that has none of its owner's.
    """

    find: Callable[[], str]
    arguments: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    adds: Mapping[str, Any] = field(default_factory=dict)


def _npm(name: str) -> Callable[[], str]:
    return lambda: find_client(name)


def _pypi(name: str) -> Callable[[], str]:
    return lambda: str(ensure_environment(name).with_name(name))


CASES: Mapping[str, Case] = {
    "claude-code": Case(
        _npm("claude"),
        ["-p"],
        {"DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1"},
        {".claude/settings.json": '{\n    "permissions": {"deny": ["WebFetch"]}\n}\n'},
    ),
    "codex": Case(
        _npm("codex"),
        ["exec", "--skip-git-repo-check"],
        own={
            ".codex/config.toml": '# mine\nmodel_reasoning_effort = "low"\n\n[history]\n'
            'persistence = "none"\n'
        },
    ),
    "gemini-cli": Case(
        _npm("gemini"),
        ["--skip-trust", "-p"],
        own={
            ".gemini/settings.json": '{"general": {"enableAutoUpdate": false}, // mine\n'
            ' "security": {"auth": {"selectedType": "oauth-personal"}}}\n',
            ".gemini/.env": "# mine\nEDITOR_OF_MINE=vi\n",
        },
    ),
    "opencode": Case(
        _npm("opencode"),
        ["run"],
        {
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        },
        {
            ".config/opencode/opencode.json": '{\n  // mine\n  "share": "disabled",\n'
            '  "$schema": "https://opencode.ai/config.json"\n}\n'
        },
    ),
    "qwen-code": Case(
        _npm("qwen"),
        ["-p"],
        own={
            ".qwen/settings.json": '{\n  "general": {\n    "enableAutoUpdate": false\n  },\n'
            '  "$version": 4\n}\n'
        },
        adds={".qwen/settings.json": {"$version": 4}},
    ),
    "continue": Case(
        _npm("cn"),
        ["-p"],
        own={
            ".continue/config.yaml": "# mine\nname: Mine\nversion: 1.0.0\nschema: v1\n"
            "rules:\n  - Be brief.\n"
        },
    ),
    "aider": Case(
        _pypi("aider"),
        ["--no-git", "--no-check-update", "--no-show-release-notes", "--message"],
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        {".aider.conf.yml": "# mine\nanalytics: false\nshow-model-warnings: false\n"},
    ),
    "llm": Case(
        _pypi("llm"),
        ["-m", "antigravity/gpt-4o"],
        own={
            ".config/io.datasette.llm/extra-openai-models.yaml": "# mine\n- model_id: mine\n"
            "  model_name: mine\n  api_base: http://127.0.0.1:9/v1\n"
        },
    ),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoGateway]:
    """A gateway with the demo."""
    gateway = DemoGateway(tmp_path_factory.mktemp("demo") / "run")
    yield gateway
    gateway.stop()


class Seat:
    """A fresh home in which one client is used."""

    def __init__(self, name: str, demo: DemoGateway, folder: Path) -> None:
        self.name = name
        self.case = CASES[name]
        try:
            program = self.case.find()
        except UnavailableError as error:
            pytest.skip(str(error))
        self.home, self.work, self._gateway = folder / "home", folder / "work", demo
        self.home.mkdir()
        self.work.mkdir()
        self.variables = {**isolated_environment(self.home), **self.case.variables}
        self.variables["PATH"] = os.pathsep.join(
            [str(Path(program).parent), self.variables["PATH"]]
        )
        self.program = program

    def write_own(self) -> None:
        """Write the settings of the owner."""
        for path, text in self.case.own.items():
            file = self.home / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def antigravity(self, *arguments: str) -> Finished:
        """Run a command of the gateway's in this home."""
        command = [str(ANTIGRAVITY), "--home", str(self._gateway.home), *arguments]
        return run_client(command, self.variables, self.work, timeout=240)

    def ask(self) -> Finished:
        """Let the client answer a prompt, with nothing else set."""
        command = [self.program, *self.case.arguments, PROMPT]
        return run_client(command, self.variables, self.work, timeout=240)

    def files(self) -> dict[Path, bytes]:
        """Return the files that connecting changes, as far as they exist."""
        make = CLIENTS[self.name].files
        assert make is not None
        places = Places(self.home, self.variables)
        found = [each.path for each in make(Target("http://127.0.0.1", ""), places)]
        return {path: path.read_bytes() for path in found if path.exists()}


@pytest.mark.parametrize("own", [True, False], ids=["own-settings", "no-settings"])
@pytest.mark.parametrize("name", CASES)
def test_connected_client_answers_and_gets_its_files_back(
    name: str, own: bool, demo: DemoGateway, tmp_path: Path
) -> None:
    seat = Seat(name, demo, tmp_path)
    if own:
        seat.write_own()
    before = seat.files()
    assert bool(before) is own
    connected = seat.antigravity("connect", name, "--yes")
    assert connected.code == 0, connected.output
    written = seat.files()
    assert demo.address in b"".join(written.values()).decode()
    answer = seat.ask()
    assert SAID in answer.out, answer.output
    assert answer.code == 0, answer.output
    undone = seat.antigravity("disconnect", name, "--yes")
    assert undone.code == 0, undone.output
    after = seat.files()
    if not own:
        for path, data in CASES[name].adds.items():
            assert json.loads(after.pop(seat.home / path)) == data
    assert after == before


@pytest.mark.parametrize("name", [each for each in CASES if CLIENTS[each].start is not None])
def test_started_client_answers_and_nothing_is_written(
    name: str, demo: DemoGateway, tmp_path: Path
) -> None:
    seat = Seat(name, demo, tmp_path)
    seat.write_own()
    if name == "gemini-cli":  # whose sign-in would win
        path = seat.home / ".gemini" / "settings.json"
        path.write_text(path.read_text().replace("oauth-personal", "gemini-api-key"))
    before = seat.files()
    answer = seat.antigravity("run", name, *seat.case.arguments, PROMPT)
    assert SAID in answer.out, answer.output
    assert answer.code == 0, answer.output
    assert seat.files() == before
