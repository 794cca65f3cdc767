"""Exports: three formats, in pieces, masked unless wanted otherwise."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.interfaces.ledger import ExportQuestion
from antigravity.interfaces.payloads import RawBody, RawMessage, RawPayloads, ReplayRoute
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.ir.record import AttemptRecord
from antigravity.ledger import export as export_module
from antigravity.ledger.csv_lines import csv_line
from antigravity.ledger.database import Database
from antigravity.ledger.export import Export
from antigravity.ledger.payload_answers import answer_payloads
from antigravity.ledger.payload_text import PayloadRedactor
from antigravity.ledger.reader import Reader
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ledger.writer import Writer
from antigravity.redaction.addresses import mask_addresses
from antigravity.redaction.credentials import Credentials
from tests.support.har import read_archive
from tests.support.records import START, make_record, price


def body_of(text: str) -> RawBody:
    data = text.encode()
    return RawBody((data,), (), len(data))


def payloads(request_id: str, text: str = "hello") -> RawPayloads:
    json_type = (("content-type", "application/json"),)
    return RawPayloads(
        request_id,
        ReplayRoute("anthropic", "POST", "/v1/messages"),
        [
            RawMessage("from_client", json_type, body_of(text), "POST", "/v1/messages?beta=true"),
            RawMessage(
                "to_upstream", json_type, body_of("{}"), "POST", "https://h.example/v1?a=1", None, 0
            ),
            RawMessage("from_upstream", (), body_of("data: x\n\n"), status=200, attempt=0),
            RawMessage("to_client", json_type, body_of("data: y\n\n"), status=200),
        ],
    )


class Ledger:
    def __init__(self, database: Database) -> None:
        self.writer = Writer(database, lambda: START + 10, price)
        self.reader = Reader(database)

    def add(self, count: int, **changes: Any) -> None:
        self.writer.write([make_record(number, **changes) for number in range(count)], {})

    def add_payloads(self, *found: RawPayloads) -> None:
        self.writer.write_payloads(found, PayloadRedactor(Credentials().snapshot(), {}))

    def pieces(self, **question: Any) -> list[bytes]:
        export = Export(ExportQuestion(**question))
        return list(iter(lambda: export.next_piece(self.reader), b""))

    def lines(self, **question: Any) -> list[Any]:
        return [json.loads(line) for line in b"".join(self.pieces(**question)).splitlines()]

    def har(self, **question: Any) -> Any:
        return read_archive(b"".join(self.pieces(format="har", **question)))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(SqliteDatabase(tmp_path / "ledger.db"))
    yield ledger
    ledger.writer.close()
    ledger.reader.close()


def test_exports_are_the_same_from_every_database(database: Database, ledger: Ledger) -> None:
    other = Ledger(database)
    for each in (ledger, other):
        each.add(25)
        each.add_payloads(payloads("req_3"))
    for question in ({"format": "csv"}, {"format": "har"}, {"payloads": True}):
        assert other.pieces(**question) == ledger.pieces(**question)
    other.writer.close()
    other.reader.close()


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 400, 1001])
def test_every_request_is_exported_once_oldest_first(ledger: Ledger, count: int) -> None:
    if count:
        ledger.add(count)
    else:
        ledger.writer.open()
    assert [each["id"] for each in ledger.lines()] == [f"req_{n}" for n in range(count)]
    assert all(len(piece.splitlines()) <= 201 for piece in ledger.pieces())
    assert len(ledger.har()) == count


def test_line_has_attempts_and_payloads(ledger: Ledger) -> None:
    ledger.add(2)
    ledger.add_payloads(payloads("req_1"))
    without, with_payloads = ledger.lines(payloads=True)
    assert "payloads" not in without
    assert with_payloads["attempts"][0]["account"] == "a@google"
    assert [each["direction"] for each in with_payloads["payloads"]] == [
        *("from_client", "to_upstream", "from_upstream", "to_client")
    ]
    assert with_payloads["payloads"][0]["body"] == "hello"
    assert "payloads" not in ledger.lines()[1]


def test_pieces_are_small(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "_BYTES", 3000)
    ledger.add(20)
    ledger.add_payloads(*(payloads(f"req_{n}", "x" * 2000) for n in range(20)))
    pieces = ledger.pieces(payloads=True)
    assert len(pieces) > 15
    assert [each["id"] for each in ledger.lines(payloads=True)] == [f"req_{n}" for n in range(20)]


def test_filters(ledger: Ledger) -> None:
    ledger.add(3)
    ledger.add(2, outcome="error", error="UpstreamError: no")
    assert len(ledger.lines(outcome="error")) == 2
    assert len(ledger.lines(model="gemini-3-pro")) == 5
    assert ledger.lines(model="other") == []
    assert ledger.lines(until=START) == []
    assert len(ledger.lines(since=START)) == 5
    assert len(ledger.lines(client="claude-code", session="session-1")) == 5


def test_addresses_are_masked_unless_wanted(ledger: Ledger) -> None:
    attempt = AttemptRecord("google", "m", "jane.doe@example.com", "gemini", False, 0.1, 2.0)
    ledger.add(1, attempts=[attempt], outcome="error", error="X: jane.doe@example.com said no")
    ledger.add_payloads(payloads("req_0", '{"user":"jane.doe@example.com"}'))
    for form in ("jsonl", "csv", "har"):
        has = form != "csv"
        masked = b"".join(ledger.pieces(format=form, payloads=has))
        assert b"jane.doe" not in masked
        assert b"ja***@example.com" in masked
        assert b"jane.doe@example.com" in b"".join(
            ledger.pieces(format=form, payloads=has, unmasked=True)
        )


def test_csv_is_read_by_others(ledger: Ledger) -> None:
    ledger.add(2, model='=cmd()|"x",\n')
    rows = list(csv.DictReader(io.StringIO(b"".join(ledger.pieces(format="csv")).decode())))
    assert [row["id"] for row in rows] == ["req_0", "req_1"]
    assert rows[0]["tokens_output"] == "10"
    assert rows[0]["stream"] == "true"
    assert rows[0]["model"].startswith("'=cmd()")


@given(st.lists(st.text(alphabet="=+-@ab,\"\n\t'", max_size=9), min_size=1, max_size=4))
def test_cells_are_no_formulas(cells: list[str]) -> None:
    (found,) = csv.reader(io.StringIO(csv_line(cells), newline=""))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in found)
    assert [cell.removeprefix("'") for cell in found] == [cell.removeprefix("'") for cell in cells]


def test_csv_has_no_payloads() -> None:
    with pytest.raises(InvalidRequestError):
        Export(ExportQuestion(format="csv", payloads=True))


def test_har_has_an_entry_for_each_message(ledger: Ledger) -> None:
    ledger.add(2)
    ledger.add_payloads(payloads("req_0"))
    first, upstream, without = ledger.har()
    assert first["request"]["url"] == "http://gateway.invalid/v1/messages?beta=true"
    assert first["request"]["queryString"] == [{"name": "beta", "value": "true"}]
    assert first["request"]["postData"] == {"mimeType": "application/json", "text": "hello"}
    assert first["response"]["content"]["text"] == "data: y\n\n"
    assert (first["time"], first["timings"]["wait"]) == (2000, 250)
    assert upstream["request"]["url"] == "https://h.example/v1?a=1"
    assert upstream["startedDateTime"] > first["startedDateTime"]
    assert "google" in upstream["comment"]
    assert without["response"]["status"] == 200
    assert "postData" not in without["request"]


def test_har_of_failed_and_cut(ledger: Ledger) -> None:
    ledger.add(1, outcome="cancelled", status=499, attempts=[], error="X: y")
    found = payloads("req_0", "x")
    found.messages[2].status = None
    found.messages[0].body = RawBody(size=7, is_dropped=True)
    ledger.add_payloads(found)
    first, upstream = ledger.har()
    assert upstream["response"]["status"] == 0
    assert first["request"]["postData"]["comment"] == "7 bytes are missing"


def test_payloads_of_request(ledger: Ledger) -> None:
    ledger.add(2)
    ledger.add_payloads(payloads("req_1"))
    found = answer_payloads(ledger.reader, "req_1")
    assert (found.no_replay, found.route.protocol) == ("", "anthropic")
    for request_id, code in (("req_0", "no_payloads"), ("none", None)):
        with pytest.raises(NotFoundError) as error:
            answer_payloads(ledger.reader, request_id)
        assert error.value.code in (code, "not_found")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (RawBody(size=9, is_dropped=True), "no room"),
        (RawBody((b"a" * 9,), (b"b" * 20_000,), 30_000), "missing"),
        (RawBody(size=9, digest="abc"), "files"),
    ],
)
def test_what_cannot_be_replayed_says_why(ledger: Ledger, body: RawBody, reason: str) -> None:
    found = payloads("req_0")
    found.messages[0].body = body
    ledger.add_payloads(found)
    assert reason in answer_payloads(ledger.reader, "req_0").no_replay


def test_missing_bytes_are_named_where_they_are(ledger: Ledger) -> None:
    found = payloads("req_0")
    found.messages[0].body = RawBody((b"a" * 9,), (b"b" * 20_000,), 30_000)
    ledger.add_payloads(found)
    message = answer_payloads(ledger.reader, "req_0").messages[0]
    head, line, tail = message.body.split("\n")
    assert (head, set(tail)) == ("a" * 9, {"b"})
    assert line == f"[{message.cut} bytes are missing here]"


# -- masks --


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a@b.de", "a***@b.de"),
        ("mail jane.doe+x@sub.example.com, please", "mail ja***@sub.example.com, please"),
        ("@decorator x@y", "@decorator x@y"),
        ("a@b.de@c.de", "a***@b.de@c.de"),
        ("müller@example.com", "mü***@example.com"),
        ("", ""),
    ],
)
def test_addresses_are_masked(text: str, masked: str) -> None:
    assert mask_addresses(text) == masked


@given(st.text(alphabet="abcd@.-+ \n", max_size=60))
def test_no_long_name_stays(text: str) -> None:
    assert not re.search(r"[a-d]{3}@[a-d]+\.[a-d]", mask_addresses(text))
