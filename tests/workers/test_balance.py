"""Workers leave connections to those that have fewer."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from antigravity.workers.balance import PLACES, ConnectionTable

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers need descriptors to inherit")


def test_worker_with_more_connections_leaves_the_next_one(tmp_path: Path) -> None:
    main = ConnectionTable(tmp_path / "table")
    first, second = (ConnectionTable(tmp_path / "table", main.take()) for _ in range(2))
    assert not first.is_ahead(), "nobody accepts yet"
    first.set(0)
    second.set(0)
    first.set(1)
    assert not first.is_ahead(), "one more is no reason to wait"
    first.set(2)
    assert first.is_ahead()
    assert not second.is_ahead()
    second.set(1)
    assert not first.is_ahead()
    second.leave()
    first.set(100)
    assert not first.is_ahead(), "the other one accepts no more"
    for table in (first, second, main):
        table.close()


def test_place_of_a_killed_worker_is_taken_back(tmp_path: Path) -> None:
    main = ConnectionTable(tmp_path / "table")
    taken = [main.take(), main.take()]
    killed, other = (ConnectionTable(tmp_path / "table", place) for place in taken)
    killed.set(0)
    other.set(50)
    assert other.is_ahead()
    main.release(taken[0])
    assert not other.is_ahead()
    assert main.take() == taken[0]
    for table in (killed, other, main):
        table.close()


def test_places_are_bounded_and_the_file_is_private(tmp_path: Path) -> None:
    main = ConnectionTable(tmp_path / "table")
    assert len({main.take() for _ in range(PLACES)}) == PLACES
    with pytest.raises(IndexError, match="too many workers"):
        main.take()
    assert stat.S_IMODE((tmp_path / "table").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        ConnectionTable(tmp_path / "table")
    main.close()
