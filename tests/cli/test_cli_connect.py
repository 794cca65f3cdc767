"""``antigravity connect``, ``disconnect`` and ``run``."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from antigravity.cli import connect_target
from antigravity.cli.gateway_client import NoGatewayError
from antigravity.cli.main import antigravity, main

MODELS = {
    "data": [
        {"id": "gpt-5.1", "max_input_tokens": 400_000, "max_tokens": 128_000},
        {"id": "text-embedding-3", "max_input_tokens": None},
        {"id": "gemini-3.1-flash-image", "max_input_tokens": 1_000_000},
        {"id": "claude-sonnet-5", "max_input_tokens": 1_000_000, "max_tokens": 64_000},
    ]
}


class Cli:
    """The command line, with a user's folder and answers of a gateway."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.user = folder / "me"
        self.user.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        self.models: Any = MODELS
        monkeypatch.setenv("HOME", str(self.user))
        for name in ("XDG_CONFIG_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "LLM_USER_PATH"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(connect_target, "get_json", self.answer)

    def answer(self, *arguments: Any, **options: Any) -> Any:
        if self.models is None:
            raise NoGatewayError("nothing listens there", absent=True)
        return self.models

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(antigravity, [*arguments, "--home", str(self.home)])

    @property
    def claude(self) -> Path:
        return self.user / ".claude" / "settings.json"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(tmp_path, monkeypatch)


def test_dry_run_prints_diff_and_writes_nothing(cli: Cli) -> None:
    done = cli.run("connect", "claude-code", "--dry-run")
    assert done.exit_code == 0, done.output
    assert '"ANTHROPIC_BASE_URL": "http://127.0.0.1:8045"' in done.output
    assert done.output.startswith("--- /dev/null\n+++ ")
    assert list(cli.user.iterdir()) == []
    assert list(cli.home.rglob("connections.json")) == []


def test_diffs_show_no_secrets(cli: Cli) -> None:
    """Those of others are there, too: what is replaced, what comes back, and lines beside it."""
    theirs = {"ANTHROPIC_API_KEY": "sk-ant-secret-1", "ANTHROPIC_AUTH_TOKEN": "their-token-2"}
    cli.claude.parent.mkdir(parents=True, exist_ok=True)
    cli.claude.write_text(json.dumps({"env": theirs}, indent=2))
    for command in (("connect", "claude-code", "--yes"), ("disconnect", "claude-code", "--yes")):
        done = cli.run(*command)
        assert done.exit_code == 0, done.output
        assert "ANTHROPIC_AUTH_TOKEN" in done.output
        assert "sk-ant-secret-1" not in done.output
        assert "their-token-2" not in done.output
    assert json.loads(cli.claude.read_text())["env"] == theirs


def test_connected_client_is_listed_and_disconnected(cli: Cli) -> None:
    done = cli.run("connect", "claude-code", "--yes")
    assert done.exit_code == 0, done.output
    assert "8045" in cli.claude.read_text()
    states = {each["client"]: each for each in json.loads(cli.run("connect", "--json").output)}
    assert states["claude-code"]["state"] == "connected"
    assert states["claude-code"]["address"] == "http://127.0.0.1:8045"
    assert states["codex"]["state"] == "not connected"
    assert "claude-code  yes        connected" in cli.run("connect").output
    done = cli.run("disconnect", "claude", "--yes")
    assert done.exit_code == 0, done.output
    assert not cli.claude.exists()
    done = cli.run("disconnect", "claude", "--yes")
    assert done.exit_code == 1
    assert "was not connected" in done.output


def test_nobody_who_can_be_asked_needs_an_option(cli: Cli) -> None:
    done = cli.run("connect", "claude-code")
    assert done.exit_code == 2
    assert "--yes" in done.output
    assert not cli.claude.exists()


@pytest.mark.parametrize(("answer", "is_written"), [("y\n", True), ("\n", True), ("n\n", False)])
def test_person_is_asked(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, is_written: bool
) -> None:
    monkeypatch.setattr(
        "antigravity.cli.connect._may_write", lambda: click.confirm("Write this?", default=True)
    )
    arguments = ["connect", "claude-code", "--home", str(cli.home)]
    done = CliRunner().invoke(antigravity, arguments, input=answer)
    assert done.exit_code == 0, done.output
    assert cli.claude.exists() is is_written


def test_unknown_client_is_an_error_with_the_nearest_name(cli: Cli) -> None:
    done = cli.run("connect", "claude-cod")
    assert done.exit_code == 2
    assert "claude-code" in done.output


def test_models_for_conversations_are_offered(cli: Cli) -> None:
    done = cli.run("connect", "opencode", "--yes")
    assert done.exit_code == 0, done.output
    path = cli.user / ".config" / "opencode" / "opencode.json"
    models = json.loads(path.read_text())["provider"]["antigravity"]["models"]
    assert list(models) == ["gpt-5.1", "claude-sonnet-5"]
    assert models["gpt-5.1"]["limit"] == {"context": 400_000, "output": 128_000}


def test_client_that_lists_models_needs_a_gateway_or_a_name(cli: Cli) -> None:
    cli.models = None
    done = cli.run("connect", "opencode", "--yes")
    assert done.exit_code == 1
    assert "--model" in done.output
    done = cli.run("connect", "opencode", "--yes", "--model", "m")
    assert done.exit_code == 0, done.output
    assert cli.run("connect", "claude-code", "--yes").exit_code == 0


def test_client_whose_models_nobody_serves_gets_others(cli: Cli) -> None:
    cli.models = {"data": [{"id": "gemini-3-pro", "max_input_tokens": 1_000_000}]}
    done = cli.run("connect", "claude-code", "--yes")
    assert done.exit_code == 0, done.output
    assert '"claude*" = "gemini-3-pro"' in done.output
    env = json.loads(cli.claude.read_text())["env"]
    assert env["ANTHROPIC_DEFAULT_SONNET_MODEL"] == "gemini-3-pro"


def test_unlisted_model_is_used_with_a_note(cli: Cli) -> None:
    done = cli.run("connect", "claude-code", "--yes", "--model", "claude-sonet-5")
    assert done.exit_code == 0, done.output
    assert "nearest one is claude-sonnet-5" in done.output
    assert json.loads(cli.claude.read_text())["env"]["ANTHROPIC_MODEL"] == "claude-sonet-5"


def test_key_is_written_and_not_shown(cli: Cli) -> None:
    configuration = cli.home / "antigravity.toml"
    configuration.write_text(
        '[proxy]\nauth_mode = "strict"\napi_key = "sk-very-secret"\nlisten = ["tcp:9000"]\n'
    )
    configuration.chmod(0o600)
    done = cli.run("connect", "claude-code", "--yes")
    assert done.exit_code == 0, done.output
    assert "sk-very-secret" not in done.output
    env = json.loads(cli.claude.read_text())["env"]
    assert env["ANTHROPIC_AUTH_TOKEN"] == "sk-very-secret"
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9000"
    assert stat.S_IMODE(cli.claude.stat().st_mode) == 0o600


def test_other_address_is_used(cli: Cli) -> None:
    cli.run("connect", "claude-code", "--yes", "--url", "https://gw.example/v1/")
    env = json.loads(cli.claude.read_text())["env"]
    assert env["ANTHROPIC_BASE_URL"] == "https://gw.example"


def test_json_describes_changes(cli: Cli) -> None:
    done = cli.run("connect", "claude-code", "--dry-run", "--json")
    data = json.loads(done.output)
    assert (data["client"], data["dry_run"]) == ("claude-code", True)
    assert data["files"] == [str(cli.claude)]


@pytest.mark.parametrize("client", ["cursor", "cline", "jetbrains", "copilot-cli"])
def test_client_without_files_is_explained(cli: Cli, client: str) -> None:
    done = cli.run("connect", client)
    assert done.exit_code == 0, done.output
    assert "by hand" in done.output
    if client == "copilot-cli":
        assert "export COPILOT_PROVIDER_BASE_URL=http://127.0.0.1:8045/v1" in done.output
        assert '$env:COPILOT_MODEL = "gpt-5.1"' in done.output
    assert list(cli.user.iterdir()) == []


class StartedError(Exception):
    """A program would have been started."""


@pytest.fixture
def started(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what would have been started: program, arguments and environment."""
    found: list[Any] = []
    folder = cli.user.parent / "bin"
    folder.mkdir()
    for name in ("claude", "codex", "gemini", "opencode", "goose"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def execute(program: str, arguments: list[str], environment: dict[str, str]) -> None:
        found.extend([program, arguments, environment])
        raise StartedError

    monkeypatch.setattr(os, "execve", execute)
    return found


def run_client(cli: Cli, *arguments: str) -> int | None:
    try:
        return main(["--home", str(cli.home), "run", *arguments])
    except StartedError:
        return None


def test_client_is_started_with_its_arguments_and_environment(
    cli: Cli, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-mine")
    monkeypatch.setenv("ANTIGRAVITY_TRACEBACK", "1")
    assert run_client(cli, "claude", "-p", "Hello", "--version") is None
    program, arguments, environment = started
    assert Path(program).name == "claude"
    assert arguments[1:] == ["-p", "Hello", "--version"]
    assert environment["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8045"
    assert "ANTHROPIC_API_KEY" not in environment
    assert list(cli.user.iterdir()) == []


def test_codex_gets_its_provider_by_options(
    cli: Cli, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tomllib

    monkeypatch.setenv("ANTIGRAVITY_TRACEBACK", "1")
    run_client(cli, "--model", "gpt-5.1", "codex", "exec", "hi")
    _, arguments, _ = started
    options = [arguments[i + 1] for i, each in enumerate(arguments) if each == "-c"]
    data = tomllib.loads("\n".join(options))
    assert data["model"] == "gpt-5.1"
    provider = data["model_providers"]["antigravity"]
    assert provider["base_url"] == "http://127.0.0.1:8045/v1"
    assert provider["auth"] == {"command": "echo", "args": ["sk-local"]}
    assert arguments[-2:] == ["exec", "hi"]


@pytest.mark.parametrize("client", ["opencode", "goose"])
def test_others_are_started_too(
    cli: Cli, started: list[Any], monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    monkeypatch.setenv("ANTIGRAVITY_TRACEBACK", "1")
    run_client(cli, client)
    assert "8045" in str(started[2])


def test_client_that_is_not_installed_is_an_error(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(cli.user))
    assert run_client(cli, "gemini") == 1
    assert "not installed" in capsys.readouterr().err
    assert run_client(cli, "zed") == 1
    assert "antigravity connect zed" in capsys.readouterr().err


def test_setting_that_wins_over_variables_is_an_error(
    cli: Cli, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = cli.user / ".gemini" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"security": {"auth": {"selectedType": "oauth-personal"}}}')
    assert run_client(cli, "gemini") == 1
    shown = capsys.readouterr().err
    assert "oauth-personal" in shown
    assert "antigravity connect gemini-cli" in shown
    assert not started
    path.write_text("{}")
    run_client(cli, "gemini")
    assert "8045" in str(started[2])
