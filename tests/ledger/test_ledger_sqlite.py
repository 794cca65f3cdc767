"""The ledger in an SQLite file: its permissions, damage, space, and the loss of its process."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from antigravity.interfaces.ledger import RequestQuestion
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.errors import DamagedError, LedgerError, NewerVersionError
from antigravity.ledger.queries import Span
from antigravity.ledger.reader import Reader
from antigravity.ledger.retention import Retention
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ledger.writer import Writer
from tests.support.records import HOUR, Time, make_record, price

NOW = Span(HOUR, HOUR + 1)


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "state" / "ledger.db")


def ids(rows: list[dict[str, object]]) -> list[str]:
    return [str(row["id"]).removeprefix("req_") for row in rows]


def test_rows_are_deleted_when_they_need_too_much_space(
    writer: Writer, reader: Reader, clock: Time
) -> None:
    for start in range(0, 6000, 500):
        writer.write([make_record(number) for number in range(start, start + 500)], {})
    with writer.opened() as connection:
        limit = writer._database.used_bytes(connection) // 2
    retention = Retention(writer._database, writer)
    size = writer._database.size()
    steps = 0
    # Also if the clock was years ahead when they were written.
    while retention.step(Bounds(0, limit), clock.now - 3 * 365 * 86_400):
        steps += 1
        assert steps < 10
    with writer.opened() as connection:
        assert writer._database.used_bytes(connection) <= limit
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    rows = reader.requests(RequestQuestion(limit=1))[0]
    assert ids(rows) == ["5999", "5998"]
    assert 2 <= steps < 6
    assert writer._database.size() < size


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions")
def test_files_are_private(database: SqliteDatabase, writer: Writer) -> None:
    writer.write([make_record()], {})
    found = list(database.path.parent.iterdir())
    assert len(found) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}


def test_damaged_file_is_set_aside(
    writer: Writer, database: SqliteDatabase, reader: Reader
) -> None:
    database.path.parent.mkdir()
    database.path.write_bytes(b"no database" * 1000)
    with pytest.raises(DamagedError, match=r"renamed to ledger\.db\.broken"):
        writer.write([make_record()], {})
    writer.write([make_record()], {})
    assert ids(reader.requests(RequestQuestion())[0]) == ["1"]


def test_file_of_newer_version_is_not_touched(writer: Writer, database: SqliteDatabase) -> None:
    database.path.parent.mkdir()
    connection = sqlite3.connect(database.path)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("CREATE TABLE new (value)")
    connection.close()
    before = database.path.read_bytes()
    with pytest.raises(NewerVersionError, match="newer version"):
        writer.write([make_record()], {})
    assert database.path.read_bytes()[100:] == before[100:]


def test_failed_transaction_changes_nothing(writer: Writer, reader: Reader) -> None:
    writer.write([make_record(1)], {})
    with writer.opened() as connection:
        connection.execute("PRAGMA max_page_count = 1")  # as if the disk were full
    many = [make_record(number, model=f"m{number}") for number in range(2000)]
    with pytest.raises(LedgerError, match="full"):
        writer.write(many, {})
    writer.write(many[:3], {})
    assert len(reader.requests(RequestQuestion())[0]) == 4
    assert len(reader.names("model")) == 4


def test_long_query_ends_with_error(
    writer: Writer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.write([make_record(number) for number in range(500)], {})
    monkeypatch.setattr("antigravity.ledger.sqlite._STEPS", 0)
    monkeypatch.setattr("antigravity.ledger.sqlite._STEP", 100)
    with pytest.raises(LedgerError, match="interrupted"):
        reader.requests(RequestQuestion(text="x"))[0]


KILLED = """
import os, sys, threading
sys.path.insert(0, {root!r})
from pathlib import Path
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.ledger.writer import Writer
from tests.support.records import START, make_record, price
writer = Writer(SqliteDatabase(Path({path!r})), lambda: START, price)
number = 0
while True:
    writer.write([make_record(number + each) for each in range(100)], {{}})
    number += 100
    print(number, flush=True)
"""


def test_no_committed_row_is_lost_when_process_is_killed(
    database: SqliteDatabase, writer: Writer, reader: Reader
) -> None:
    root = str(Path(__file__).parents[2])
    code = KILLED.format(root=root, path=str(database.path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(5)]
        child.kill()
        lines += child.stdout.readlines()
    committed = int([line for line in lines if line.endswith(b"\n")][-1])
    writer.write([make_record(10**6)], {})
    with writer.opened() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (rows,) = connection.execute("SELECT count(*) FROM requests").fetchone()
    assert rows >= committed + 1
    assert (rows - 1) % 100 == 0
    (total,) = reader.add_up(NOW)
    assert total["requests"] == rows


def leave_open(database: SqliteDatabase, clock: Time, directory: Path) -> SqliteDatabase:
    """Return a copy of a database with a row, as a gateway that was killed leaves it."""
    writer = Writer(database, clock, price)
    writer.write([make_record()], {})
    directory.mkdir()
    for path in database.path.parent.glob("ledger.db*"):
        shutil.copy(path, directory)
    writer.close()
    return SqliteDatabase(directory / "ledger.db")


def damage(path: Path) -> None:
    """Damage a part of a database that only its check and payloads read."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'payloads_by_request'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 100)
    path.with_name(f"{path.name}-wal").touch()


@pytest.fixture
def no_first_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antigravity.ledger.sqlite._CHECKED_FIRST", 0)


def test_small_file_is_checked_before_it_is_used(
    database: SqliteDatabase, clock: Time, tmp_path: Path
) -> None:
    left = leave_open(database, clock, tmp_path / "left")
    damage(left.path)
    with pytest.raises(DamagedError, match="malformed"):
        left.prepare()
    left.prepare().close()


@pytest.mark.usefixtures("no_first_check")
def test_damage_of_large_file_is_found_while_it_is_used(
    database: SqliteDatabase, clock: Time, tmp_path: Path
) -> None:
    left = leave_open(database, clock, tmp_path / "left")
    damage(left.path)
    writer, reader = Writer(left, clock, price), Reader(left)
    writer.write([make_record(2)], {})
    assert ids(reader.requests(RequestQuestion())[0]) == ["2", "1"]
    assert left.is_unchecked
    found = left.check()
    assert found.startswith("database disk image is malformed: ")
    writer.close()
    assert isinstance(left.set_aside(found), DamagedError)
    writer.write([make_record(3)], {})
    assert ids(reader.requests(RequestQuestion())[0]) == ["3"]
    assert left.path.with_name("ledger.db.broken").exists()
    writer.close()
    reader.close()


@pytest.mark.usefixtures("no_first_check")
def test_sound_file_is_checked_until_a_check_has_ended(
    database: SqliteDatabase, clock: Time, tmp_path: Path
) -> None:
    left = leave_open(database, clock, tmp_path / "left")
    left.prepare().close()
    left.stop_check()
    assert left.check() == ""
    again = SqliteDatabase(left.path)
    again.prepare().close()
    assert again.is_unchecked
    assert again.check() == ""
    last = SqliteDatabase(left.path)
    last.prepare().close()
    assert not last.is_unchecked


def test_writer_leaves_file_that_a_reader_has_set_aside(
    database: SqliteDatabase, writer: Writer, reader: Reader
) -> None:
    writer.write([make_record(1)], {})
    assert ids(reader.requests(RequestQuestion())[0]) == ["1"]
    database.set_aside("damage")
    writer.write([make_record(2)], {})
    assert ids(reader.requests(RequestQuestion())[0]) == ["2"]


@pytest.mark.parametrize("count", [1, 3, 4, 63, 64, 85, 150])
def test_rows_of_any_number_are_stored_in_order(writer: Writer, reader: Reader, count: int) -> None:
    records = [make_record(number, model=f"m{number}") for number in range(count)]
    written = writer.write(records, {})
    assert [row.model for row in written] == [f"m{number}" for number in range(count)]
    stored, _ = reader.requests(RequestQuestion(limit=200))
    newest_first = [record.model for record in reversed(records)]
    assert [row["model"] for row in stored] == newest_first
    with writer.opened() as connection:
        found = connection.execute("SELECT count(*) FROM attempts").fetchone()
    assert found == (count,)
