"""Damaged files get names that no other file has, as long as there are few."""

from __future__ import annotations

import os
from pathlib import Path

from antigravity.stores.damaged_files import KEPT, aside_name


def test_damaged_file_replaces_none_until_there_are_many(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for number in range(KEPT):
        path.write_text(f"{number}")
        path.rename(aside_name(path))
    found = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert found == {"a.db.broken": "0", "a.db.broken-2": "1", "a.db.broken-3": "2"}


def test_oldest_is_replaced_beyond_the_most(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for number, name in enumerate(["a.db.broken", "a.db.broken-2", "a.db.broken-3"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (100 - number, 100 - number))
    assert aside_name(path).name == "a.db.broken-3"
