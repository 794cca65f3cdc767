"""``antigravity service``: files for systemd and launchd, and the commands that apply them."""

from __future__ import annotations

import configparser
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.cli.service_files import service_file
from tests.cli.builders import Run


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home of a user whose systemctl and launchctl only note what they are asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "launchctl"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/asked\nexit ${{FAKE:-0}}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path / "user"


def asked(tmp_path: Path) -> list[str]:
    file = tmp_path / "asked"
    return file.read_text().splitlines() if file.exists() else []


def test_dry_run_prints_file_and_commands_and_changes_nothing(
    run: Run, user: Path, tmp_path: Path
) -> None:
    for manager, words in (("systemd", "ExecStart="), ("launchd", "ProgramArguments")):
        for command in ("install", "uninstall"):
            result = run("service", command, "--manager", manager, "--dry-run")
            assert result.code == 0
            assert command == "uninstall" or words in result.out
            assert "$ " in result.out
    assert not user.exists()
    assert asked(tmp_path) == []


def test_unit_is_installed_checked_and_removed(run: Run, user: Path, tmp_path: Path) -> None:
    systemd = ("--manager", "systemd")
    assert run("service", "status", *systemd).code == 1
    installed = run("service", "install", "--port", "9001", *systemd)
    assert installed.code == 0
    path = user / ".config" / "systemd" / "user" / "antigravity-gateway.service"
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path)
    home = str(tmp_path / "home")
    assert shlex.split(unit["Service"]["ExecStart"]) == [
        sys.executable, "-m", "antigravity", "serve", "--home", home, "--port", "9001",
    ]  # fmt: skip
    assert asked(tmp_path)[-2:] == [
        "systemctl --user enable antigravity-gateway.service",
        "systemctl --user restart antigravity-gateway.service",
    ]
    assert run("service", "status", *systemd).code == 0
    assert run("service", "install", *systemd).code == 0, "it may be installed again"
    assert run("service", "uninstall", *systemd).code == 0
    assert not path.exists()
    assert "systemctl --user disable --now antigravity-gateway.service" in asked(tmp_path)
    assert run("service", "uninstall", *systemd).code == 1


def test_files_of_others_are_left_alone(run: Run, user: Path) -> None:
    path = user / ".config" / "systemd" / "user" / "antigravity-gateway.service"
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\n")
    for command in ("install", "uninstall"):
        refused = run("service", command, "--manager", "systemd")
        assert refused.code == 1
        assert path.read_text() == "[Service]\n"
    assert run("service", "install", "--force", "--manager", "systemd").code == 0


def test_failed_command_says_what_is_left_to_do(
    run: Run, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE", "1")
    failed = run("service", "install", "--manager", "systemd")
    assert failed.code == 1
    assert "left to do: systemctl --user daemon-reload; systemctl --user enable" in failed.err
    assert run("service", "install", "--manager", "systemd", "--no-start").code == 0


def test_agent_is_a_property_list(run: Run, user: Path, tmp_path: Path) -> None:
    assert run("service", "install", "--manager", "launchd").code == 0
    path = user / "Library" / "LaunchAgents" / "antigravity-gateway.plist"
    agent = plistlib.loads(path.read_bytes())
    assert agent["ProgramArguments"][:4] == [sys.executable, "-m", "antigravity", "serve"]
    assert agent["RunAtLoad"] is True
    assert asked(tmp_path)[-1].startswith("launchctl bootstrap gui/")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_unit_is_valid_for_systemd(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "antigravity", "serve", "--home", "/home/a user/100 %/$x"]
    file = service_file("systemd", command, {}, tmp_path, 1)
    unit = tmp_path / file.path.name
    unit.write_text(file.text)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        0,
        "",
    )  # it ignores what it does not know, and says so


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1))
def test_any_path_survives_in_a_unit(argument: str) -> None:
    file = service_file("systemd", [argument], {}, Path("/home/u"), 1)
    (line,) = (each for each in file.text.split("\n") if each.startswith("ExecStart="))
    quoted = line.removeprefix("ExecStart=")
    assert (quoted[0], quoted[-1]) == ('"', '"')
    body = re.sub(r"%%|\$\$", lambda found: found[0][0], quoted[1:-1])
    assert re.sub(r"\\(.)", r"\1", body) == argument
