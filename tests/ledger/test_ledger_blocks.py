"""Blocks of days: long time ranges have the same sums with them as without."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.interfaces.ledger import UsageQuestion
from antigravity.ledger.answers import answer_usage
from antigravity.ledger.blocks import SIZES, late_sums, split_span
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.database import Database
from antigravity.ledger.queries import Span, add_up
from antigravity.ledger.reader import Reader
from antigravity.ledger.retention import Retention
from antigravity.ledger.rows import RowNumbers
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ledger.writer import Writer
from tests.support.records import make_record, price

DAYS = 150
NOW = (DAYS * 24 + 7) * 3600.0
ALL = Bounds(max_age=0, max_bytes=0)


@given(
    since=st.integers(0, 5000),
    length=st.integers(-10, 5000),
    known=st.tuples(*(st.integers(0, 6000) for _ in SIZES)),
)
def test_parts_cover_a_range_with_blocks_that_exist(
    since: int, length: int, known: tuple[int, ...]
) -> None:
    ends = {size: end // size * size for size, end in zip(SIZES, known, strict=True)}
    parts = split_span(since, since + length, ends)
    if length <= 0:
        assert parts == []
        return
    assert (parts[0].since, parts[-1].until) == (since, since + length)
    for before, after in pairwise(parts):
        assert before.until == after.since
    for part in parts:
        assert part.since < part.until
        if part.size > 1:
            assert part.since % part.size == part.until % part.size == 0
            assert part.until <= ends[part.size]


def test_late_sums_are_added_to_the_blocks_that_exist() -> None:
    ends = {24: 240, 192: 192}
    found = late_sums([{"hour": 30, "x": 1}, {"hour": 200, "x": 2}, {"hour": 300, "x": 3}], ends)
    assert found == [
        {"hour": 24, "x": 1, "size": 24},
        {"hour": 192, "x": 2, "size": 24},
        {"hour": 0, "x": 1, "size": 192},
    ]


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    writer = Writer(database, lambda: NOW, price)
    yield writer
    writer.close()


def records(chance: Random, count: int) -> list[Any]:
    """Return requests at random times, in hours that are neither all full nor all empty."""
    return [
        make_record(
            number,
            started=chance.randrange(DAYS * 24) // 5 * 5 * 3600.0 + chance.random() * 3600,
            model=f"m{chance.randrange(4)}",
            mapped_model=f"m{chance.randrange(4)}",
            client=chance.choice(("codex/1", "claude-cli/2")),
            outcome=chance.choice(("ok", "error")),
        )
        for number in range(count)
    ]


def check(reader: Reader, chance: Random) -> int:
    """Compare sums with blocks and without; return how many questions blocks helped with."""
    helped = 0
    with reader._connection() as connection:
        ends = {row["size"]: row["until"] for row in reader._queries.block_ends(connection)}
    for groups in ((), ("model",), ("model", "client"), ("hour", "client")):
        for filters in ({}, {"model": "m1"}, {"client": "codex", "account": "a@google"}):
            since, until = sorted(chance.randrange(DAYS * 24 + 10) for _ in range(2))
            span = Span(since, until)
            plain = add_up(span, groups, filters, limit=10_000)
            helped += add_up(span, groups, filters, limit=10_000, ends=ends) != plain
            expected = list(map(dict, reader._fetch(plain)))
            assert list(map(dict, reader.add_up(span, groups, filters))) == expected
    return helped


def build(writer: Writer, database: Database, now: float) -> int:
    """Keep the bounds until nothing is to do; return the number of steps."""
    retention, steps = Retention(database, writer), 1
    while retention.step(ALL, now):
        steps += 1
        assert steps < 1000
    return steps


def test_sums_are_the_same_with_blocks(database: Database, writer: Writer, reader: Reader) -> None:
    chance = Random(3)
    writer.write(records(chance, 300), {})
    assert check(reader, chance) == 0
    assert build(writer, database, NOW / 2) > 50
    assert check(reader, chance) > 0
    build(writer, database, NOW)
    with writer.transaction() as connection:
        found = dict(connection.execute("SELECT size, count(*) FROM blocks GROUP BY size"))
    assert set(found) == set(SIZES)
    for _ in range(3):  # requests of earlier days that end only now
        writer.write(records(chance, 40), {})
        assert check(reader, chance) > 0
    assert build(writer, database, NOW) == 1


def test_requests_after_the_clock_went_back_are_in_blocks(
    database: Database, writer: Writer, reader: Reader
) -> None:
    chance = Random(4)
    writer.write(records(chance, 50), {})
    build(writer, database, NOW + 400 * 86_400)
    writer.write([make_record(1, started=NOW - 3600)], {})
    assert check(reader, chance) > 0
    total = answer_usage(reader, UsageQuestion(since=0, until=NOW), NOW).total
    assert total.requests == 51


def test_other_writer_learns_of_blocks(database: Database, writer: Writer, reader: Reader) -> None:
    chance = Random(5)
    writer.write(records(chance, 50), {})
    other = Writer(database, lambda: NOW, price, RowNumbers(1))
    other.open()
    build(writer, database, NOW)
    Retention(database, other).step(ALL, NOW)
    other.write(records(chance, 50), {})
    other.close()
    assert check(reader, chance) > 0


def test_blocks_of_years_without_requests_take_one_step(database: Database, writer: Writer) -> None:
    writer.write([make_record(0, started=3600.0), make_record(1, started=NOW)], {})
    assert build(writer, database, NOW + 20 * 366 * 86_400) < 12


def test_file_of_earlier_version_gets_blocks(tmp_path: Path) -> None:
    chance, database = Random(6), SqliteDatabase(tmp_path / "ledger.db")
    reader = Reader(database)
    writer = Writer(database, lambda: NOW, price)
    writer.write(records(chance, 80), {})
    with writer.transaction() as connection:
        for table in ("blocks", "names_by_block", "block_ends"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX payloads_by_request")
        connection.execute("ALTER TABLE payloads DROP COLUMN started")
        connection.execute("CREATE INDEX payloads_by_request ON payloads (request, position)")
        connection.execute("PRAGMA user_version = 2")
    writer.close()
    build(writer, database, NOW)
    assert check(reader, chance) > 0
    writer.close()
    reader.close()


def test_blocks_go_with_the_oldest_sums(database: Database, writer: Writer) -> None:
    writer.write(records(Random(7), 50), {})
    build(writer, database, NOW)
    build(writer, database, NOW + 10 * 366 * 86_400)
    with writer.transaction() as connection:
        for table in ("blocks", "names_by_block", "hours", "names_by_hour"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
