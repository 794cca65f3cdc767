"""A large file that was not closed is checked in a thread while the ledger is in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity.interfaces.ledger import RequestQuestion
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.service import Ledger
from antigravity.ledger.sqlite import SqliteDatabase
from tests.support.records import START, make_record, price

BOUNDS = Bounds(max_age=0, max_bytes=0)


class Threads:
    """Runs functions when it is told to; a check only if it is told to do that."""

    def __init__(self) -> None:
        self.work: list[tuple[Deferred[Any], Any, tuple[Any, ...]]] = []
        self.checks: list[tuple[Deferred[Any], Any, tuple[Any, ...]]] = []

    def run(self, function: Any, *arguments: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        is_check = getattr(function, "__name__", "") == "check"
        (self.checks if is_check else self.work).append((done, function, arguments))
        return done

    def finish(self) -> None:
        """Do all work but checks."""
        while self.work:
            done, function, arguments = self.work.pop(0)
            done.callback(function(*arguments))

    def check(self) -> None:
        """Do the check that waits."""
        ((done, function, arguments),) = self.checks
        self.checks.clear()
        done.callback(function(*arguments))


class LedgerOfClock:
    """A ledger whose file is not checked yet, with what it has written."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.threads = Threads()
        self.path = path
        self.ledger = Ledger(
            self.clock,
            path,
            BOUNDS,
            price,
            now=lambda: START + self.clock.seconds(),
            run=self.threads.run,
        )
        self.ledger.startService()

    def add(self, number: int) -> None:
        self.ledger.add(make_record(number))
        self.clock.advance(0.2)
        self.threads.finish()

    def ids(self) -> list[str]:
        found: list[str] = []

        def ask(reader: Any) -> None:
            found.extend(row["id"] for row in reader.requests(RequestQuestion())[0])

        self.ledger.ask(ask)
        self.threads.finish()
        return found

    def stop(self) -> Deferred[Any]:
        stopped: Deferred[Any] = self.ledger.stopService()
        self.threads.finish()
        return stopped


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerOfClock]:
    monkeypatch.setattr("antigravity.ledger.sqlite._CHECKED_FIRST", 0)
    path = tmp_path / "ledger.db"
    SqliteDatabase(path).prepare().close()
    path.with_name("ledger.db-wal").touch()
    ledger = LedgerOfClock(path)
    yield ledger
    if ledger.ledger.running:
        stopped = ledger.stop()
        for _ in ledger.threads.checks[:1]:
            ledger.threads.check()
        ledger.threads.finish()
        assert stopped.called


def test_ledger_is_used_while_it_is_checked(used: LedgerOfClock) -> None:
    used.add(1)
    assert len(used.threads.checks) == 1
    assert used.ids() == ["req_1"]
    used.threads.check()
    used.add(2)
    assert used.threads.checks == []
    assert used.ids() == ["req_2", "req_1"]


def test_another_ledger_begins_if_damage_is_found(
    used: LedgerOfClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antigravity.ledger.sqlite._damage", lambda _: "page 7 is damaged")
    used.add(1)
    assert used.ids() == ["req_1"]
    used.threads.check()
    used.threads.finish()
    used.add(2)
    assert used.ids() == ["req_2"]
    assert used.ledger.status().problem == ""
    assert used.path.with_name("ledger.db.broken").exists()


def test_stop_ends_the_check_and_the_next_start_begins_it_again(used: LedgerOfClock) -> None:
    used.add(1)
    ended: list[object] = []
    used.stop().addCallback(ended.append)
    assert ended == []
    used.threads.check()
    used.threads.finish()
    assert ended == [None]
    assert not used.path.with_name("ledger.db-wal").exists()
    again = SqliteDatabase(used.path)
    again.prepare().close()
    assert again.is_unchecked


def test_file_that_was_closed_is_not_checked(used: LedgerOfClock) -> None:
    used.add(1)
    used.threads.check()
    assert used.stop().called
    again = SqliteDatabase(used.path)
    again.prepare().close()
    assert not again.is_unchecked
