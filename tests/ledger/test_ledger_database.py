"""The ledger on disk: what is written can be asked for, and what is too much is deleted."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from antigravity.interfaces.ledger import RequestPage, RequestQuestion, UsageQuestion
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.ledger.answers import answer_request, answer_requests, answer_usage
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.errors import DamagedError, LedgerError, NewerVersionError
from antigravity.ledger.queries import Span
from antigravity.ledger.reader import Reader
from antigravity.ledger.retention import Retention
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ledger.writer import Writer
from tests.support.records import HOUR, START, make_record, price

DAY = 86_400
NOW = Span(HOUR, HOUR + 1)
ALL = Bounds(max_age=0, max_bytes=0)


class Time:
    """A clock that can be set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "state" / "ledger.db")


@pytest.fixture
def writer(database: SqliteDatabase, clock: Time) -> Any:
    writer = Writer(database, clock, price)
    yield writer
    writer.close()


@pytest.fixture
def reader(database: SqliteDatabase) -> Any:
    reader = Reader(database)
    yield reader
    reader.close()


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"].removeprefix("req_") for row in rows]


def names(page: RequestPage) -> str:
    return "".join(each.id.removeprefix("req_") for each in page.requests)


def test_request_is_found_by_id_with_attempts(writer: Writer, reader: Reader) -> None:
    (row,) = writer.write([make_record()], {})
    found = reader.request("req_1")
    assert found is not None
    (attempt,) = found.pop("attempts")
    expected = {name: getattr(row, name) for name in row.__struct_fields__ if name != "attempts"}
    assert found == expected
    assert (attempt["request"], attempt["account"]) == (row.number, "a@google")
    assert reader.request("req_2") is None


def test_lists_are_newest_first_and_have_pages(writer: Writer, reader: Reader) -> None:
    writer.write([make_record(number) for number in range(7)], {})
    page = answer_requests(reader, RequestQuestion(limit=3))
    assert names(page) == "654"
    assert page.next is not None
    page = answer_requests(reader, RequestQuestion(limit=4, before=int(page.next)))
    assert (names(page), page.next) == ("3210", None)
    assert page.newest is not None
    page = answer_requests(reader, RequestQuestion(after=int(page.newest)))
    assert names(page) == "654"
    again = answer_requests(reader, RequestQuestion(after=int(page.newest or 0)))
    assert (again.requests, again.newest) == ([], page.newest)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"model": "gemini-3-pro"}, "210"),
        ({"requested_model": "claude-opus-4-6"}, "210"),
        ({"requested_model": "m"}, "3"),
        ({"model": "m"}, ""),
        ({"model": "unserved"}, "4"),
        ({"model": "served"}, "3"),
        ({"outcome": "error"}, "1"),
        ({"outcome": "cancelled"}, "2"),
        ({"account": "a@google"}, "3210"),
        ({"account": "b"}, ""),
        ({"text": "ODD_%"}, "1"),
        ({"text": "odd%"}, ""),
        ({"session": "s", "client": "codex"}, "3"),
        ({"since": START + 1}, "43"),
        ({"until": START + 1}, "210"),
    ],
)
def test_lists_are_filtered(
    writer: Writer, reader: Reader, clock: Time, wanted: dict[str, Any], found: str
) -> None:
    writer.write(
        [
            make_record(0),
            make_record(1, outcome="error", error="ServerError: odd_% thing"),
            make_record(2, outcome="cancelled", error="CancelledError: odd"),
        ],
        {},
    )
    clock.now += 10
    codex = make_record(3, model="m", mapped_model="served", client="codex_cli/1", session="s")
    unserved = make_record(4, model="unserved", mapped_model="", client="", attempts=[])
    writer.write([codex, unserved], {})
    assert "".join(ids(reader.requests(RequestQuestion(**wanted))[0])) == found


def test_sums_are_added_up_over_transactions(writer: Writer, reader: Reader) -> None:
    writer.write([make_record(1), make_record(2)], {(HOUR, "wrong key"): 2})
    writer.write(
        [make_record(3), make_record(4, mapped_model="unknown-x")],
        {(HOUR, "wrong key"): 1, (HOUR, "host"): 5},
    )
    (total,) = reader.add_up(NOW)
    assert (total["requests"], total["output"], total["unpriced"]) == (4, 40, 1)
    assert total["cost"] == 90_000
    by_model = reader.add_up(NOW, ["model"])
    assert [(each["model"], each["requests"]) for each in by_model] == [
        ("gemini-3-pro", 3),
        ("unknown-x", 1),
    ]
    (one,) = reader.add_up(NOW, [], {"model": "unknown-x"})
    assert one["requests"] == 1
    assert reader.refusals(HOUR, HOUR + 1) == {"host": 5, "wrong key": 3}
    assert reader.names("model") == ["claude-opus-4-6"]
    assert reader.names("served_model") == ["gemini-3-pro", "unknown-x"]


def test_usage_has_totals_groups_and_periods(writer: Writer, reader: Reader) -> None:
    writer.write(
        [
            make_record(1),
            make_record(2, started=START - 1800, outcome="error", error="ServerError: x"),
            make_record(3, started=START - 3 * 3600, mapped_model="unknown-x"),
            make_record(4, started=START - 2 * DAY),
        ],
        {(HOUR, "wrong key"): 3},
    )
    now = START + 600
    report = answer_usage(reader, UsageQuestion(by="model, day"), now)
    assert (report.total.requests, report.total.errors, report.total.unpriced) == (3, 1, 1)
    assert (report.total.tokens.total, report.total.tokens.cache_write_1h) == (390, 12)
    assert (report.total.cost, report.total.list_cost) == (0.00006, 0.00012)
    assert (report.total.duration, report.total.first_byte) == (2.0, 0.25)
    assert report.refused == {"wrong key": 3}
    found = [(row.period, row.model, row.sums.requests) for row in report.rows]
    assert found == [("2026-11-30", "gemini-3-pro", 2), ("2026-11-30", "unknown-x", 1)]
    report = answer_usage(reader, UsageQuestion(by="hour", zone="Asia/Tokyo"), now)
    assert [row.period for row in report.rows] == [
        "2026-11-30T19:00+09:00",
        "2026-11-30T18:00+09:00",
        "2026-11-30T16:00+09:00",
    ]
    by_key = answer_usage(reader, UsageQuestion(by="client_key", client_key="other"), now)
    assert (by_key.total.requests, by_key.rows) == (0, [])


def test_usage_begins_within_an_hour(writer: Writer, reader: Reader) -> None:
    writer.write([make_record(n, started=START - n * 600) for n in range(-1, 9)], {})
    writer.write([make_record(99, started=START - 7 * 600, outcome="cancelled")], {})
    for by in ("", "model", "hour", "day", "model,client,day"):
        question = UsageQuestion(since=START - 4500, by=by, client="claude-code")
        report = answer_usage(reader, question, START + 1200)
        assert (report.total.requests, report.total.cancelled) == (10, 1)
        if by:
            assert sum(row.sums.requests for row in report.rows) == 10


def test_pages_look_at_a_limited_number_of_rows(
    writer: Writer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antigravity.ledger.queries.WINDOW", 10)
    many = [make_record(number) for number in range(35)]
    many[3].outcome = many[30].outcome = "error"
    writer.write(many, {})
    found, pages, before = "", 0, None
    while True:
        question = RequestQuestion(outcome="error", account="a@google", before=before)
        page = answer_requests(reader, question)
        found, pages = found + names(page) + ";", pages + 1
        if page.next is None:
            break
        before = int(page.next)
    assert (found, pages) == ("30;;3;;", 4)
    assert len(answer_requests(reader, RequestQuestion(account="a@google")).requests) == 35


@pytest.mark.parametrize(
    "question",
    [UsageQuestion(by="moon"), UsageQuestion(by="day,hour"), UsageQuestion(zone="../etc/passwd")],
)
def test_unclear_usage_is_refused(writer: Writer, reader: Reader, question: UsageQuestion) -> None:
    writer.open()
    with pytest.raises(InvalidRequestError):
        answer_usage(reader, question, START)


def test_one_request_is_answered_whole(writer: Writer, reader: Reader) -> None:
    writer.write([make_record(1, route=("alias: a -> b",))], {})
    answer = answer_request(reader, "req_1")
    assert (answer.request.duration, answer.request.attempts) == (2.0, 1)
    assert (answer.route, answer.price_version) == (["alias: a -> b"], "test/1")
    assert (answer.attempts[0].started, answer.attempts[0].passed_through) == (0.1, False)
    with pytest.raises(NotFoundError):
        answer_request(reader, "req_2")


def test_empty_ledger_answers(writer: Writer, reader: Reader) -> None:
    writer.open()
    assert reader.requests(RequestQuestion())[0] == []
    (total,) = reader.add_up(Span(0, HOUR))
    assert total["requests"] is None


def test_old_rows_are_deleted_in_steps(
    database: SqliteDatabase, writer: Writer, reader: Reader, clock: Time
) -> None:
    writer.write([make_record(number) for number in range(1500)], {})
    clock.now += 2 * DAY
    writer.write([make_record(1500)], {})
    retention, bounds = Retention(writer._database, writer), Bounds(max_age=DAY, max_bytes=0)
    assert retention.step(bounds, clock.now)
    assert not retention.step(bounds, clock.now)
    assert ids(reader.requests(RequestQuestion())[0]) == ["1500"]
    with database.errors(), writer.opened() as connection:
        assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (1,)
    (total,) = reader.add_up(NOW)
    assert total["requests"] == 1501


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
    while retention.step(Bounds(0, limit), clock.now + 60):
        steps += 1
        assert steps < 10
    with writer.opened() as connection:
        assert writer._database.used_bytes(connection) <= limit
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    rows = reader.requests(RequestQuestion(limit=1))[0]
    assert ids(rows) == ["5999", "5998"]
    assert 2 <= steps < 6
    assert writer._database.size() < size


def test_sums_of_old_days_are_merged(writer: Writer, reader: Reader, clock: Time) -> None:
    day = HOUR // 24 * 24
    records = [make_record(n, started=(day + n) * 3600.0) for n in (0, 5, 23, 24)]
    writer.write(records, {})
    clock.now += 401 * DAY
    retention = Retention(writer._database, writer)
    while retention.step(ALL, clock.now):
        pass
    assert [each["requests"] for each in reader.add_up(Span(day, day + 1), ["model"])] == [3]
    assert reader.add_up(Span(day + 1, day + 24), ["model"]) == []
    assert [each["requests"] for each in reader.add_up(Span(day + 24, day + 25), ["model"])] == [1]
    clock.now += 6 * 366 * DAY
    assert not retention.step(ALL, clock.now)
    assert reader.add_up(Span(0, day * 2), ["model"]) == []
    assert reader.names("model") == []


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions")
def test_files_are_private(database: SqliteDatabase, writer: Writer) -> None:
    writer.write([make_record()], {})
    found = list(database.path.parent.iterdir())
    assert len(found) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}


def test_readers_cannot_write(writer: Writer, database: SqliteDatabase) -> None:
    writer.open()
    connection = database.open_reader()
    with pytest.raises(LedgerError), database.errors():
        connection.execute("DELETE FROM requests")
    connection.close()


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
