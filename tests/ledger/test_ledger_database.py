"""The ledger on disk: what is written can be asked for, and what is too much is deleted."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.interfaces.ledger import Order, RequestPage, RequestQuestion, UsageQuestion
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.ledger.answers import answer_request, answer_requests, answer_usage
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.errors import LedgerError
from antigravity.ledger.queries import Span
from antigravity.ledger.reader import Reader
from antigravity.ledger.retention import Retention
from antigravity.ledger.writer import Writer
from tests.support.records import HOUR, START, Time, make_record

DAY = 86_400
NOW = Span(HOUR, HOUR + 1)
ALL = Bounds(max_age=0, max_bytes=0)


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
    ("sort", "found"),
    [("time", "43210"), ("duration", "10432"), ("first_byte", "02413"), ("tokens", "20431"),
     ("cost", "20431")],
)  # fmt: skip
def test_lists_are_sorted_with_what_is_unknown_last(
    writer: Writer, reader: Reader, sort: Order, found: str
) -> None:
    usage = make_record().usage
    assert usage is not None
    more = replace(usage, output=usage.output + 5)
    changes: list[dict[str, Any]] = [
        {"duration": 8.0, "first_byte": 3.0, "usage": more},
        {"duration": 9.0, "first_byte": 0.5, "usage": None},
        {"duration": 1.0, "first_byte": 2.0, "usage": replace(usage, output=usage.output + 9)},
        {"duration": 5.0, "first_byte": None},
        {"duration": 5.0, "first_byte": 0.5},
    ]
    writer.write([make_record(number, **each) for number, each in enumerate(changes)], {})
    assert names(answer_requests(reader, RequestQuestion(sort=sort))) == found
    page = answer_requests(reader, RequestQuestion(sort=sort, limit=2))
    assert names(page) == found[:2]
    assert (page.next is None) == (sort != "time")


def test_sorted_pages_have_parts_of_the_list(
    writer: Writer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is sorted; together they have the whole list, with or without an index."""
    monkeypatch.setattr("antigravity.ledger.queries.WINDOW", 10)
    others = {"attempts": make_record().attempts}
    writer.write([make_record(number, duration=number % 7, **others) for number in range(35)], {})
    for fields in ({}, {"account": "a@google"}, {"outcome": "ok"}, {"text": "nothing"}):
        seen: list[int] = []
        before = None
        while True:
            question = RequestQuestion(sort="duration", before=before, limit=500, **fields)
            page = answer_requests(reader, question)
            numbers = [int(each.id.removeprefix("req_")) for each in page.requests]
            assert numbers == sorted(numbers, key=lambda number: (-(number % 7), -number))
            seen += numbers
            if page.next is None:
                break
            before = int(page.next)
        assert sorted(seen) == ([] if "text" in fields else list(range(35)))


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


def test_old_rows_are_deleted_in_steps(writer: Writer, reader: Reader, clock: Time) -> None:
    writer.write([make_record(number) for number in range(1500)], {})
    clock.now += 2 * DAY
    writer.write([make_record(1500)], {})
    retention, bounds = Retention(writer._database, writer), Bounds(max_age=DAY, max_bytes=0)
    assert retention.step(bounds, clock.now)
    assert not retention.step(bounds, clock.now)
    assert ids(reader.requests(RequestQuestion())[0]) == ["1500"]
    with writer.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (1,)
    (total,) = reader.add_up(NOW)
    assert total["requests"] == 1501


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


def test_readers_cannot_write(writer: Writer, reader: Reader) -> None:
    writer.write([make_record()], {})
    with pytest.raises(LedgerError), reader._connection() as connection:
        connection.execute("DELETE FROM requests")
    assert reader.request("req_1")
