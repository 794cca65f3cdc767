"""The home directory: created once, private, never overwritten."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from antigravity.config import atomic
from antigravity.config.atomic import write_atomically
from antigravity.config.home import find_home, open_to_others, prepare_home
from antigravity.config.snapshot import load


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_home_has_random_keys_and_is_private(tmp_path: Path) -> None:
    homes = [tmp_path / "deep" / "one", tmp_path / "two"]
    umask = os.umask(0)
    try:
        assert all(prepare_home(home) for home in homes)
    finally:
        os.umask(umask)
    keys = {load(home, environ={}).settings.proxy.api_key.reveal() for home in homes}
    assert len(keys) == 2
    assert all(key.startswith("sk-") and len(key) == 51 for key in keys)
    assert mode(homes[0]) == mode(homes[0] / "accounts") == 0o700
    assert mode(homes[0] / "antigravity.toml") == 0o600
    assert not open_to_others(homes[0])
    assert load(homes[0], environ={}).warnings == ()


def test_existing_file_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "antigravity.toml"
    file.write_text("# mine\n")
    assert not prepare_home(tmp_path)
    assert file.read_text() == "# mine\n"
    with pytest.raises(FileExistsError):
        write_atomically(file, b"", replace=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["accounts", "antigravity.toml"]


def test_no_configuration_file_is_created_without_with_file(tmp_path: Path) -> None:
    assert not prepare_home(tmp_path, with_file=False)
    assert [p.name for p in tmp_path.iterdir()] == ["accounts"]


def test_home_of_option_precedes_environment_and_platform(tmp_path: Path) -> None:
    environ = {"ANTIGRAVITY_HOME": str(tmp_path / "env")}
    assert find_home(tmp_path / "option", environ) == tmp_path / "option"
    assert find_home(None, environ) == tmp_path / "env"
    assert find_home(None, {}).name == "antigravity"
    assert find_home("relative", {}).is_absolute()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_write_keeps_old_file_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file = tmp_path / "file"
    write_atomically(file, b"old")

    def crash(*arguments: object) -> None:
        raise OSError("crash")

    monkeypatch.setattr(atomic.os, step, crash)
    with pytest.raises(OSError, match="crash"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_new_file_is_created_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*arguments: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(atomic.os, "link", link)
    file = tmp_path / "file"
    write_atomically(file, b"one", replace=False)
    with pytest.raises(FileExistsError):
        write_atomically(file, b"two", replace=False)
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (b"one", [file])
