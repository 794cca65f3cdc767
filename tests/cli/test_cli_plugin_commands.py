"""Commands of plugins stand beside the gateway's own, and name their plugin when they fail."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.main import main
from antigravity.hookspecs import hookimpl
from tests.cli.builders import Point


@click.command()
@click.argument("name")
@command_options
def greet(invocation: Invocation, name: str) -> None:
    """Greet NAME."""
    invocation.show({"greeting": name}, f"Hello {name}!")


@click.group()
def shelf() -> None:
    """Manage shelves."""


@shelf.command()
def breaks() -> None:
    """Break."""
    raise ZeroDivisionError("the shelf broke")


@shelf.command()
def refuses() -> None:
    """Refuse."""
    raise click.ClickException("The shelf is full.")


@click.command()
def status() -> None:
    """Say that it is not the gateway's command."""
    click.echo("stolen")


def plugin(*commands: Any) -> ModuleType:
    module = ModuleType("commands")
    module.register_commands = hookimpl(  # type: ignore[attr-defined]
        lambda register: [register(each) for each in commands], specname="register_commands"
    )
    return module


@pytest.mark.usefixtures("home")
def test_command_gets_the_common_options(install: Any, capsys: pytest.CaptureFixture[str]) -> None:
    install(mine=plugin(greet))
    assert main(["greet", "Ada"]) == 0
    assert capsys.readouterr().out == "Hello Ada!\n"
    assert main(["greet", "Ada", "--json"]) == 0
    assert capsys.readouterr().out == '{\n  "greeting": "Ada"\n}\n'


@pytest.mark.usefixtures("home")
def test_help_lists_commands(install: Any, capsys: pytest.CaptureFixture[str]) -> None:
    install(mine=plugin(greet, shelf))
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "Greet NAME." in shown
    assert "Manage shelves." in shown


@pytest.mark.usefixtures("home")
def test_failing_command_names_its_plugin(
    install: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTIGRAVITY_TRACEBACK", raising=False)
    install(mine=plugin(shelf))
    assert main(["shelf", "breaks"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "antigravity: plugin mine: the command shelf failed: ZeroDivisionError: the shelf broke"
    )
    assert main(["shelf", "refuses"]) == 1
    assert capsys.readouterr().err == "antigravity: The shelf is full.\n"


@pytest.mark.usefixtures("home")
def test_own_commands_are_not_replaced(install: Any, capsys: pytest.CaptureFixture[str]) -> None:
    install(mine=plugin(status))
    assert main(["status"]) != 0
    assert "stolen" not in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert "plugin mine: the command status is the gateway's own" in capsys.readouterr().err


def test_blocked_plugin_has_no_command(
    home: Path, install: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "antigravity.toml").write_text('[plugins]\nblocked = ["mine"]\n')
    install(mine=plugin(greet))
    assert main(["greet", "Ada"]) == 2
    assert "There is no command 'greet'" in capsys.readouterr().err


def test_broken_plugins_and_configurations_leave_the_own_commands(
    home: Path, install: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    install(mine=ValueError("no"))
    assert main(["greet"]) == 2
    assert "plugin mine could not be loaded: ValueError: no" in capsys.readouterr().err
    (home / "antigravity.toml").write_text("[proxy\n")
    assert main(["--help"]) == 0
    shown = capsys.readouterr()
    assert "plugins are not loaded: " in shown.err
    assert "doctor" in shown.out


@pytest.mark.usefixtures("home")
def test_own_commands_load_no_plugin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*, group: str) -> list[Point]:
        raise AssertionError("plugins were loaded")

    monkeypatch.setattr("antigravity.plugins.entry_points", load)
    assert main(["version"]) == 0
    assert capsys.readouterr().out
