"""cloudflared is found, and called without anything secret on its command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from antigravity.config.secret import Secret
from antigravity.config.settings import TunnelSettings
from antigravity.tunnel.command import prepare, tunnel_command, tunnel_directory
from antigravity.tunnel.executable import NotInstalledError, find_executable, installed_path
from tests.tunnel.fake_cloudflared import TOKEN

QUICK = TunnelSettings()
NAMED = TunnelSettings(mode="token", token=Secret(TOKEN), origin_port=8046)
ENVIRON = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "TMPDIR": "/t",
    "OPENAI_API_KEY": "k",
    "TUNNEL_X": "1",
}


def test_command_of_quick_tunnel() -> None:
    command = tunnel_command(Path("/opt/cloudflared"), QUICK, 40001, Path("/h"), ENVIRON)
    assert command.arguments == (
        "tunnel",
        "--config",
        "/h/state/tunnel/config.yml",
        "--no-autoupdate",
        "--metrics",
        "127.0.0.1:0",
        "--url",
        "http://127.0.0.1:40001",
    )
    assert command.environment == {"TMPDIR": "/t", "HOME": "/h/state/tunnel"}


def test_command_passes_token_in_environment_only() -> None:
    command = tunnel_command(Path("/opt/cloudflared"), NAMED, 8046, Path("/h"), ENVIRON)
    assert command.arguments[-3:] == ("--url", "http://127.0.0.1:8046", "run")
    assert TOKEN not in " ".join(command.arguments)
    assert command.environment["TUNNEL_TOKEN"] == TOKEN
    assert TOKEN not in repr(command)


def test_command_sets_protocol() -> None:
    http2 = tunnel_command(Path("/x"), replace(QUICK, protocol="http2"), 1, Path("/h"), ENVIRON)
    place = http2.arguments.index("--protocol")
    assert http2.arguments[place + 1] == "http2"


def test_tunnel_directory_is_private_and_has_empty_configuration(tmp_path: Path) -> None:
    prepare(tmp_path)
    prepare(tmp_path)
    folder = tunnel_directory(tmp_path)
    assert folder.stat().st_mode & 0o077 == 0
    content = (folder / "config.yml").read_text()
    assert "ingress" not in content
    assert "no-autoupdate: true" in content


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_executable_is_found_on_path_then_in_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(NotInstalledError, match="antigravity tunnel install"):
        find_executable(QUICK, tmp_path)
    mine = program(installed_path(tmp_path))
    assert find_executable(QUICK, tmp_path) == mine
    theirs = program(tmp_path / "path" / "cloudflared")
    assert find_executable(QUICK, tmp_path) == theirs


def test_executable_is_taken_from_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(installed_path(tmp_path))
    monkeypatch.setenv("PATH", os.devnull)
    special = program(tmp_path / "special")
    assert find_executable(replace(QUICK, executable=str(special)), tmp_path) == special
    special.chmod(0o644)
    with pytest.raises(NotInstalledError, match=r"tunnel\.executable"):
        find_executable(replace(QUICK, executable=str(special)), tmp_path)
