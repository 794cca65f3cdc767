"""State is written seldom, whole and privately, and a broken file is no disaster."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from antigravity.config.atomic import write_atomically
from antigravity.interfaces.stores import IStateStore
from antigravity.stores.json_state import JsonState


class StoreFixture:
    """A store whose writes are counted; ``slow`` ones end when the test says so."""

    def __init__(self, path: Path, *, slow: bool = False) -> None:
        self.path = path
        self.clock = Clock()
        self.writes = 0
        self.value = 0
        self.pending: list[Callable[[], None]] = []
        run: Any = self.later if slow else maybeDeferred
        self.state = JsonState(path, self.clock, write=self.write, run=run, delay=3.0)
        self.state.watch(lambda: {"value": self.value})

    def write(self, path: Path, data: bytes) -> None:
        self.writes += 1
        write_atomically(path, data)

    def later(self, function: Any, *arguments: Any) -> Deferred[None]:
        finished: Deferred[None] = Deferred()

        def go() -> None:
            function(*arguments)
            finished.callback(None)

        self.pending.append(go)
        return finished

    def change(self) -> None:
        self.value += 1
        self.state.changed()

    def stored_value(self) -> int:
        return int(json.loads(self.path.read_text())["value"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "accounts.json"


def test_changes_are_written_together(path: Path) -> None:
    kit = StoreFixture(path)
    verifyObject(IStateStore, kit.state)
    for _ in range(50):
        kit.change()
        kit.clock.advance(0.01)
    assert kit.writes == 0
    kit.clock.advance(3.0)
    assert (kit.writes, kit.stored_value()) == (1, 50)
    kit.clock.advance(100.0)
    assert kit.writes == 1
    assert kit.clock.getDelayedCalls() == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert StoreFixture(path).state.load()["value"] == 50


def test_stop_writes_pending_changes(path: Path) -> None:
    kit = StoreFixture(path)
    kit.change()
    assert kit.state.stop().called
    assert (kit.writes, kit.stored_value()) == (1, 1)
    kit.change()
    assert kit.clock.getDelayedCalls() == []
    assert kit.state.stop().called
    assert kit.writes == 1


def test_writes_do_not_overlap_and_last_change_wins(path: Path) -> None:
    kit = StoreFixture(path, slow=True)
    kit.change()
    kit.clock.advance(3.0)
    kit.change()
    kit.clock.advance(60.0)
    assert len(kit.pending) == 1
    stopped = kit.state.stop()
    kit.pending.pop()()
    assert not stopped.called
    kit.pending.pop()()
    assert stopped.called
    assert kit.stored_value() == 2
    assert kit.clock.getDelayedCalls() == []


def test_change_during_a_write_is_written_later(path: Path) -> None:
    kit = StoreFixture(path, slow=True)
    kit.change()
    kit.clock.advance(3.0)
    kit.change()
    kit.pending.pop()()
    assert kit.stored_value() == 1
    kit.clock.advance(3.0)
    kit.pending.pop()()
    assert kit.stored_value() == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"version": 99}', '{"value": 1}', "\xff", "[" * 100_000]
)
def test_invalid_file_is_ignored_and_replaced(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    kit = StoreFixture(path)
    assert kit.state.load() == {}
    assert path.read_bytes() == text.encode("latin-1")
    kit.change()
    kit.state.stop()
    assert kit.stored_value() == 1


def test_missing_file_is_empty(path: Path) -> None:
    assert StoreFixture(path).state.load() == {}


def test_failed_write_does_not_stop_the_store(path: Path, tmp_path: Path) -> None:
    path.parent.write_text("not a directory")
    kit = StoreFixture(path)
    assert kit.state.load() == {}
    kit.change()
    kit.clock.advance(3.0)
    assert kit.writes == 0
    path.parent.unlink()
    kit.change()
    assert kit.state.stop().called
    assert kit.stored_value() == 2


def test_missing_home_is_not_created(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    kit = StoreFixture(home / "state" / "accounts.json")
    home.rmdir()
    kit.change()
    kit.clock.advance(3.0)
    assert not home.exists()
    home.mkdir()
    kit.change()
    kit.clock.advance(3.0)
    assert kit.stored_value() == 2
