"""``antigravity serve`` in a real process, and commands that find it."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from antigravity.config.running_gateway import record_path
from antigravity.version import VERSION
from tests.cli.builders import Run, wait_for_record
from tests.support.gateway_process import get, running


@pytest.mark.usefixtures("no_gateway")
def test_commands_find_the_gateway_on_any_port(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "antigravity", "serve", "--port", "0", "--demo"]
    with running(command, home, tmp_path) as server:
        address = server.address()
        wait_for_record(tmp_path / "home")
        assert json.loads(get(f"{address}/healthz"))["status"] == "ok"
        assert json.loads(record_path(home).read_bytes())["addresses"] == [address]
        assert run("status", "--json").json["demo"] is True
        assert "gpt-4o" in run("models").out
        assert f"it runs at {address}" in run("doctor").out
        link = run("dashboard", "--print").out
        assert link.startswith(address)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) in (0, -signal.SIGINT)
    assert not record_path(home).exists()
    gone = run("status")
    assert (gone.code, "no gateway runs" in gone.err) == (3, True)


@pytest.mark.usefixtures("no_gateway")
def test_simulator_stands_in_for_a_provider(run: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "antigravity", "simulator", "--port", "0"]
    with running(command, tmp_path / "other", tmp_path) as server:
        url = f"{server.address()}/v1"
        added = run(
            "accounts", "add", "openai", "sk-one", "--label", "one", "--base-url", url, check=True
        )
        assert "It works." in added.out
        refused = run(
            "accounts", "add", "openai", "bad-1", "--label", "two", "--base-url", url, check=True
        )
        assert refused.code == 1
        assert "refused the gateway's credential with status 401" in refused.err
        assert "explain MODEL" not in refused.err


def test_serve_reports_errors_like_twistd(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "antigravity.toml").write_text("[proxy]\nport = 'x'\n")
    command = [sys.executable, "-m", "antigravity", "--home", str(home), "serve"]
    with running(command, tmp_path / "other", tmp_path) as server:
        assert server.process.wait(20) == 1
        server.stop()
    assert "the configuration cannot be used" in server.log
    assert "antigravity.toml:2" in server.log


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "accounts", "list"),
        ("accounts", "--json", "list"),
        ("accounts", "list", "--json"),
    ],
)
def test_common_options_stand_anywhere(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert run(*arguments).json == {"accounts": [], "broken": []}
    other = run("--home", str(tmp_path / "a"), "config", "--home", str(tmp_path / "b"), "path")
    assert other.out == f"{tmp_path / 'b' / 'antigravity.toml'}\n", "the last one wins"


def test_quiet_prints_no_hints(run: Run) -> None:
    arguments = ("accounts", "add", "openai", '"sk-spaced-0123456789" ')
    assert "ignored white space" in run(*arguments).err
    assert run("--quiet", *arguments).err == ""
    refused = run("--quiet", "accounts", "remove", "nobody")
    assert "does not exist" in refused.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stats",), "Did you mean 'antigravity status'?"),
        (("accounts", "lisst"), "Did you mean 'antigravity accounts list'?"),
        (("quux",), "There is no command 'quux'."),
        (("status", "--jsn"), "--json"),
    ],
)
def test_misspelt_names_are_answered_with_the_nearest(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert words in result.err


def test_version_is_printed_before_and_after_a_command(run: Run) -> None:
    assert run("--version").out == run("status", "--version").out == f"antigravity {VERSION}\n"
