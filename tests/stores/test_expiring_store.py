"""Entries survive a restart privately and within bounds; a broken file is no disaster."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from antigravity.interfaces.stores import Entry, IExpiringStore
from antigravity.stores.expiring_store import SWEEP, ExpiringStore
from antigravity.stores.sqlite_file import VERSION, SqliteFile

#: When the tests begin, in seconds since the epoch.
EPOCH = 1_000_000.0


class CountedFile(SqliteFile):
    """A file that says how often it was written."""

    writes = 0

    def write(self, changes: Any, *, sweep: bool = False) -> float | None:
        self.writes += 1
        return super().write(changes, sweep=sweep)


class StoreFixture:
    """A store; with ``slow`` its calls of the disk end when the test says so."""

    def __init__(
        self, path: Path, *, slow: bool = False, max_entries: int = 100, max_bytes: int = 10_000
    ) -> None:
        self.path = path
        self.clock = Clock()
        self.clock.advance(EPOCH)
        self.pending: list[Callable[[], None]] = []
        seconds = self.clock.seconds
        self.file = CountedFile(path, seconds, max_entries=max_entries, max_bytes=max_bytes)
        run: Any = self.later if slow else maybeDeferred
        self.store = ExpiringStore(self.file, self.clock, seconds, run=run)

    def later(self, function: Any, *arguments: Any) -> Deferred[Any]:
        finished: Deferred[Any] = Deferred()
        self.pending.append(lambda: maybeDeferred(function, *arguments).chainDeferred(finished))
        return finished

    def put(self, key: str, value: bytes = b"value", *, lasts: float = 100.0) -> None:
        self.store.put(Entry(key, self.clock.seconds() + lasts, value))

    def stop(self) -> None:
        assert self.store.stop().called
        assert self.clock.getDelayedCalls() == []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "entries.db"


def kept(path: Path, **bounds: int) -> list[str]:
    """Return the keys that a new start finds."""
    kit = StoreFixture(path, **bounds)
    found: list[Entry] = []
    kit.store.load().addCallback(found.extend)
    kit.stop()
    return [entry.key for entry in found]


def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    errors: list[str] = []

    class Log:
        def error(self, _: str, error: str) -> None:
            errors.append(error)

    monkeypatch.setattr(ExpiringStore, "log", Log())
    return errors


def test_entries_survive_a_restart(path: Path) -> None:
    kit = StoreFixture(path)
    verifyObject(IExpiringStore, kit.store)
    kit.put("one", b"1")
    kit.put("two", b"\x00\xff")
    kit.put("one", b"again")
    kit.put("gone")
    kit.store.delete("gone")
    kit.stop()
    again = StoreFixture(path)
    found: list[Entry] = []
    again.store.load().addCallback(found.extend)
    assert found == [
        Entry("one", EPOCH + 100.0, b"again"),
        Entry("two", EPOCH + 100.0, b"\x00\xff"),
    ]
    again.stop()


def test_changes_are_written_together(path: Path) -> None:
    kit = StoreFixture(path)
    for number in range(50):
        kit.put(str(number))
        kit.clock.advance(0.01)
    assert kit.file.writes == 0
    kit.clock.advance(1.0)
    assert kit.file.writes == 1
    kit.stop()
    assert len(kept(path)) == 50


def test_file_is_readable_by_owner_only(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    kit = StoreFixture(path)
    kit.put("one")
    kit.clock.advance(1.0)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["entries.db", "entries.db-shm", "entries.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kit.stop()
    assert [file.name for file in path.parent.iterdir()] == ["entries.db"]


def test_limits_apply_when_reading_and_keep_newest_entries(path: Path) -> None:
    kit = StoreFixture(path)
    for number in range(10):
        kit.put(str(number), b"x" * 100)
    kit.stop()
    assert kept(path, max_entries=4) == ["6", "7", "8", "9"]
    assert kept(path) == ["6", "7", "8", "9"], "what is beyond the bounds has left the disk"
    assert kept(path, max_bytes=250) == ["8", "9"]
    assert kept(path, max_entries=0) == []
    assert kept(path) == []


def test_expired_entries_are_removed_from_disk(path: Path) -> None:
    kit = StoreFixture(path)
    kit.put("secret", b"what was thought", lasts=100.0)
    kit.put("longer", lasts=10_000.0)
    kit.clock.advance(1.0)
    assert b"what was thought" in b"".join(p.read_bytes() for p in path.parent.iterdir())
    kit.clock.advance(100.0 + SWEEP - 1.5)
    kit.put("another", lasts=10_000.0)
    kit.clock.advance(0.5)
    assert b"what was thought" not in b"".join(p.read_bytes() for p in path.parent.iterdir())
    kit.stop()
    assert kept(path) == ["longer", "another"]


def test_entries_expired_before_start_are_not_read(path: Path) -> None:
    kit = StoreFixture(path)
    kit.put("old", lasts=-1.0)
    kit.put("new")
    kit.stop()
    assert kept(path) == ["new"]


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 999]
)
def test_damaged_file_is_reported_and_renamed(
    path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = logged(monkeypatch)
    path.parent.mkdir()
    path.write_bytes(content)
    assert kept(path) == []
    assert len(errors) == 1
    assert "entries.db.broken" in errors[0]
    assert path.with_name("entries.db.broken").read_bytes() == content
    kit = StoreFixture(path)
    kit.put("one")
    kit.stop()
    assert kept(path) == ["one"]
    assert len(errors) == 1


@pytest.mark.parametrize(
    "statements",
    [
        f"PRAGMA user_version = {VERSION + 1}; CREATE TABLE entries (key)",
        "CREATE TABLE other (key)",
        f"PRAGMA user_version = {VERSION}",
        *(
            f"PRAGMA user_version = {VERSION}; CREATE TABLE entries AS "
            f"SELECT 1 AS id, {key} AS key, {expires} AS expires, {value} AS value"
            for key, expires, value in (
                ("x'61'", "9e9", "5"),
                ("'text'", "9e9", "x'61'"),
                ("x'ff'", "9e9", "x'61'"),
                ("x'61'", "x'62'", "x'61'"),
            )
        ),
    ],
)
def test_file_of_another_version_is_renamed(
    path: Path, statements: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = logged(monkeypatch)
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(statements)
    connection.close()
    assert kept(path) == []
    assert len(errors) == 1
    assert path.with_name("entries.db.broken").exists()


def test_damage_found_later_loses_only_stored_entries(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = logged(monkeypatch)
    kit = StoreFixture(path, max_bytes=10**7)
    for number in range(200):
        kit.put(str(number), b"x" * 3000, lasts=float(number + 1))
    kit.stop()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 400_000)
    kit = StoreFixture(path)
    kit.put("lost")
    kit.clock.advance(1.0)
    assert len(errors) == 1
    kit.put("kept")
    kit.stop()
    assert kept(path) == ["kept"]


def test_write_failure_is_reported_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = logged(monkeypatch)
    path.parent.write_text("not a directory")
    kit = StoreFixture(path)
    for number in range(3):
        kit.put(str(number))
        kit.clock.advance(1.0)
    assert len(errors) == 1
    path.parent.unlink()
    kit.put("now")
    kit.stop()
    assert kept(path) == ["now"]


def test_file_can_be_locked_by_another_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = logged(monkeypatch)
    monkeypatch.setattr("antigravity.stores.sqlite_file._LOCK_TIMEOUT", 0.05)
    kit = StoreFixture(path)
    kit.put("before")
    kit.clock.advance(1.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    kit.put("lost")
    kit.clock.advance(1.0)
    assert len(errors) == 1
    assert "locked" in errors[0]
    other.close()
    kit.put("after")
    kit.stop()
    assert kept(path) == ["before", "after"]


def test_writes_do_not_overlap_and_stop_waits(path: Path) -> None:
    kit = StoreFixture(path, slow=True)
    kit.put("one", b"first")
    kit.clock.advance(1.0)
    kit.put("one", b"second")
    kit.clock.advance(60.0)
    assert len(kit.pending) == 1
    stopped = kit.store.stop()
    kit.put("late")
    for _ in range(3):
        assert not stopped.called
        kit.pending.pop()()
    assert stopped.called
    assert kit.clock.getDelayedCalls() == []
    again = StoreFixture(path)
    found: list[Entry] = []
    again.store.load().addCallback(found.extend)
    assert [(entry.key, entry.value) for entry in found] == [("one", b"second")]
    again.stop()
