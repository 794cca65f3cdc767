"""Removal of temporary files that killed processes have left."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock

from antigravity.accounts.quota_files import QuotaFiles
from antigravity.config.atomic import remove_leftovers, remove_leftovers_of, write_private
from antigravity.stores.json_state import JsonState


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_leftovers_of_one_file_are_removed(tmp_path: Path) -> None:
    for name in ("a.json", ".a.json.x1.tmp", ".a.json.x2.tmp", ".b.json.x3.tmp", "a.json.tmp"):
        (tmp_path / name).write_text("{")
    remove_leftovers(tmp_path, "a.json")
    assert names(tmp_path) == {"a.json", ".b.json.x3.tmp", "a.json.tmp"}


def test_recent_temporary_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / ".a.json.new.tmp").write_text("{")
    old = tmp_path / ".a.json.old.tmp"
    old.write_text("{")
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    remove_leftovers(tmp_path, age=60.0)
    assert names(tmp_path) == {".a.json.new.tmp"}


def test_missing_folder_is_ignored(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "missing")
    QuotaFiles(tmp_path).load()


def test_loading_state_removes_leftovers(tmp_path: Path) -> None:
    (tmp_path / ".s.json.abc.tmp").write_text('{"cut')
    state = JsonState(
        tmp_path / "s.json",
        Clock(),
        write=write_private,
        run=maybeDeferred,
        clean=remove_leftovers_of,
    )
    assert state.load() == {}
    assert names(tmp_path) == set()
