"""Payloads belong to one request, also if clients use an id twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import pytest

from antigravity.interfaces.ledger import ExportQuestion, RequestQuestion
from antigravity.ir.errors import NotFoundError
from antigravity.ledger import database as database_module
from antigravity.ledger.answers import answer_request, answer_requests
from antigravity.ledger.database import Database
from antigravity.ledger.errors import LedgerError
from antigravity.ledger.export import Export
from antigravity.ledger.payload_answers import answer_payloads
from antigravity.ledger.payload_rows import PayloadRow
from antigravity.ledger.reader import Reader
from antigravity.ledger.rows import number_at
from antigravity.ledger.writer import Writer
from tests.support.payloads import make_redactor, payloads_of, rows_of
from tests.support.records import START, make_record, price


def test_payloads_of_requests_with_one_id_stay_apart(
    database: Database, writer: Writer, reader: Reader
) -> None:
    """Clients choose ids: one could hide what it has sent, or what another one has."""
    starts = (START, START + 1, START + 2)
    rows = writer.write([make_record(1, started=each) for each in starts], {})
    first, third = payloads_of(body=b'"first"'), payloads_of(body=b'"third"')
    first.messages *= 2
    first.started, third.started = START, START + 2
    writer.write_payloads([first], make_redactor())
    with pytest.raises(NotFoundError, match="no payloads"):
        answer_payloads(reader, "req_1")
    writer.write_payloads([third], make_redactor())

    def bodies(reference: str) -> list[str]:
        return [each.body for each in answer_payloads(reader, reference).messages]

    listed = answer_requests(reader, RequestQuestion()).requests
    references = [each.reference for each in listed][::-1]
    assert references == [f"req_1@{row.number}" for row in rows]
    assert bodies(references[0]) == ['"first"', '"first"']
    assert bodies(references[2]) == bodies("req_1") == ['"third"']
    with pytest.raises(NotFoundError, match="no payloads"):
        answer_payloads(reader, references[1])
    for reference, summary in zip(references, reversed(listed), strict=True):
        assert answer_request(reader, reference).request == summary
    assert answer_payloads(reader, "req_1").reference == references[2]
    assert answer_payloads(reader, references[0]).id == "req_1"
    exported = b"".join(
        iter(partial(Export(ExportQuestion(payloads=True)).next_piece, reader), b"")
    )
    lines = [json.loads(line) for line in exported.splitlines()]
    assert [len(each.get("payloads") or []) for each in lines] == [2, 0, 1]
    assert [each["reference"] for each in lines] == references
    assert not any("same_id" in each for each in lines)


@pytest.mark.parametrize(
    "reference", ["req_1@1", "req_1@", "req_1@x", "req_1@-1", f"req_1@{9**30}"]
)
def test_reference_to_nothing_is_not_found(writer: Writer, reader: Reader, reference: str) -> None:
    writer.write([make_record(1)], {})
    with pytest.raises(NotFoundError, match="no request"):
        answer_request(reader, reference)
    with pytest.raises(NotFoundError, match="no request"):
        answer_payloads(reader, reference)


def test_reference_with_the_number_of_another_request_is_not_found(
    writer: Writer, reader: Reader
) -> None:
    first, second = writer.write([make_record(1), make_record(2)], {})
    assert answer_request(reader, f"req_1@{first.number}").request.id == "req_1"
    with pytest.raises(NotFoundError, match="no request"):
        answer_request(reader, f"req_1@{second.number}")


def test_payloads_are_found_before_the_row_of_their_request(writer: Writer, reader: Reader) -> None:
    writer.write_payloads([payloads_of(body=b'"a"')], make_redactor())
    assert [each.body for each in answer_payloads(reader, "req_1").messages] == ['"a"']


@pytest.fixture
def old_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Return a database of version 3 with payloads of requests that have one id."""
    with monkeypatch.context() as context:
        context.setattr(database_module, "VERSION", 3)
        writer = Writer(database, lambda: START, price)
        writer.write([make_record(1), make_record(1, started=START + 10)], {})
        fields = [(each.name, each.type) for each in msgspec.structs.fields(PayloadRow)]
        old_row = msgspec.defstruct("OldRow", [each for each in fields if each[0] != "started"])
        for body, after in ((b'"first"', 5), (b'"second"', 15)):
            (row,) = rows_of(payloads_of(body=body))
            data = msgspec.structs.asdict(row)
            del data["started"]
            data["number"] = number_at(int((START + after) * 1_000_000))
            with writer.transaction() as connection:
                database.insert(connection, "payloads", [old_row(**data)])
        writer.close()
    return database


def test_number_of_another_request_with_the_id_is_not_taken(writer: Writer, reader: Reader) -> None:
    """A batch whose commit is unknown is written again: its rows are known by id and start."""
    writer.open()
    (first,) = writer.write([make_record(1)], {})
    later = make_record(1, started=START + 1)
    batch = writer.make([later], {}, {("req_1", first.started): first.number})
    assert batch.rows[0].number != first.number
    batch.rows[0].number = batch.attempts[0].request = first.number
    writer.store_again([batch])
    writer.store_again([batch])  # its number has changed, but is the same each time
    found = answer_requests(reader, RequestQuestion()).requests
    assert len(found) == 2
    assert answer_request(reader, f"req_1@{first.number}").request.time == found[-1].time


def test_payloads_in_doubt_are_replaced_for_their_request_alone(
    writer: Writer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.write([make_record(1), make_record(1, started=START + 1)], {})
    first, second = payloads_of(body=b'"first"'), payloads_of(body=b'"second"')
    first.started, second.started = START, START + 1
    transaction = writer.transaction

    @contextmanager
    def in_doubt() -> Iterator[Any]:
        with transaction() as connection:
            yield connection
        raise LedgerError("the connection broke after the commit")

    with monkeypatch.context() as context:
        context.setattr(writer, "transaction", in_doubt)
        with pytest.raises(LedgerError):
            writer.write_payloads([first], make_redactor())
    writer.write_payloads([second], make_redactor())
    newest, oldest = (
        each.reference for each in answer_requests(reader, RequestQuestion()).requests
    )
    bodies = [
        [each.body for each in answer_payloads(reader, reference).messages]
        for reference in (oldest, newest)
    ]
    assert bodies == [['"first"'], ['"second"']]


def test_payloads_of_earlier_version_are_found(old_database: Database) -> None:
    """Those of one id cannot be told apart, but belong to no request that started later."""
    writer, reader = Writer(old_database, lambda: START + 20, price), Reader(old_database)
    writer.write([make_record(1, started=START + 18)], {})
    listed = answer_requests(reader, RequestQuestion()).requests
    newest, second, first = (each.reference for each in listed)
    found = {
        reference: [each.body for each in answer_payloads(reader, reference).messages]
        for reference in (first, second)
    }
    assert found == {first: ['"first"', '"second"'], second: ['"second"']}
    with pytest.raises(NotFoundError, match="no payloads"):
        answer_payloads(reader, newest)
    new = payloads_of(body=b'"new"')
    new.started = START + 18
    writer.write_payloads([new], make_redactor())
    assert [each.body for each in answer_payloads(reader, "req_1").messages] == ['"new"']
    assert len(answer_payloads(reader, first).messages) == 2
    writer.close()
    reader.close()


def test_other_requests_with_the_id_are_named(writer: Writer, reader: Reader) -> None:
    writer.write([make_record(1, started=START + each) for each in range(30)], {})
    writer.write([make_record(2)], {})
    listed = [each.reference for each in answer_requests(reader, RequestQuestion()).requests]
    assert answer_request(reader, "req_2").same_id == []
    assert answer_request(reader, "req_1").same_id == listed[2:22]
    assert answer_request(reader, listed[5]).same_id == [*listed[1:5], *listed[6:22]]
