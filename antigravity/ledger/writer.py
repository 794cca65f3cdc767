"""Writes rows into the database, many at a time.  Call it in one thread, never in two at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from antigravity.interfaces.payloads import RawPayloads
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.database import Connection, Database
from antigravity.ledger.names import Names
from antigravity.ledger.payload_text import PayloadRedactor
from antigravity.ledger.rows import (
    AttemptRow,
    Pricer,
    RequestRow,
    RowNumbers,
    attempt_rows,
    request_row,
)
from antigravity.ledger.sums import HOUR, HourSums

#: The most rows that are made at once; other threads run between them.
_SLICE: Final = 50

as_dict = msgspec.structs.asdict


class Writer:
    """The writer of the ledger.

    :param now: returns seconds since the epoch.
    :param price: returns the cost of an exchange.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], float],
        price: Pricer,
        numbers: RowNumbers | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._price = price
        self._numbers = numbers or RowNumbers()
        self._connection: Connection | None = None
        self._queries: Any = None
        self._names = Names()

    def open(self) -> None:
        """Open the database, and create or change its tables where needed.

        :raises LedgerError: if it cannot be used.
        """
        if self._connection is not None:
            return
        self._queries = self._queries or self._database.load_queries("write", "payloads")
        connection = self._database.prepare()
        try:
            with self._database.errors(), self._database.reading(connection):
                self._names = Names(self._queries.known_names(connection))
                self._numbers.follow(self._queries.newest_row(connection) or 0)
                self._numbers.follow(self._queries.newest_payload(connection) or 0)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def write(
        self, records: Sequence[ExchangeRecord], refusals: Mapping[tuple[int, str], int]
    ) -> list[RequestRow]:
        """Write finished exchanges in one transaction, and return their rows.

        :param refusals: numbers of refused requests, by hour since the epoch and kind.
        :raises LedgerError: if nothing could be written.
        """
        rows: list[RequestRow] = []
        attempts: list[AttemptRow] = []
        now = int(self._now() * 1_000_000)
        names: list[dict[str, object]] = []
        with self.transaction() as connection:
            for start in range(0, len(records), _SLICE):
                made = []
                for record in records[start : start + _SLICE]:
                    number = self._numbers.next(now)
                    row = request_row(record, number, self._price)
                    names += self._names.use(row, row.started // HOUR)
                    made.append(row)
                    attempts += attempt_rows(record, number)
                self._queries.insert_requests(connection, map(as_dict, made))
                rows += made
            self._queries.insert_attempts(connection, map(as_dict, attempts))
            sums = HourSums()
            for row in rows:
                sums.add(row)
            self._queries.add_to_hours(connection, sums.combined())
            self._queries.add_to_names_by_hour(connection, sums.single())
            self._queries.use_names(connection, names)
            self._queries.add_refusals(
                connection,
                [
                    {"hour": hour, "kind": kind, "requests": number}
                    for (hour, kind), number in refusals.items()
                ],
            )
        return rows

    def write_payloads(self, payloads: Sequence[RawPayloads], redactor: PayloadRedactor) -> int:
        """Write payloads in one transaction, and return about how many bytes they take.

        :raises LedgerError: if nothing could be written.
        """
        from antigravity.ledger.payload_rows import payload_rows

        now = int(self._now() * 1_000_000)
        self.open()
        rows = [
            row
            for each in payloads
            for row in payload_rows(each, redactor, lambda: self._numbers.next(now))
        ]
        with self.transaction() as connection:
            self._queries.insert_payloads(connection, map(as_dict, rows))
        return sum(row.stored for row in rows)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Return a context with the connection, whose changes are made together or not at all.

        :raises LedgerError: if they could not be made.
        """
        with self.opened() as connection, self._database.transaction(connection):
            yield connection

    @contextmanager
    def opened(self) -> Iterator[Connection]:
        """Return a context with the connection.

        :raises LedgerError: if the database cannot be used, or the code in the context cannot.
        """
        self.open()
        connection = self._connection
        assert connection is not None
        try:
            with self._database.errors():
                yield connection
        except BaseException:
            self.close()  # so that names are read again, and none is known that is not stored
            raise

    def close(self) -> None:
        """Close the database; :meth:`open` opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
