"""Writes rows into the database, many at a time.  Call it in one thread, never in two at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from antigravity.interfaces.payloads import RawPayloads
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.blocks import late_sums
from antigravity.ledger.database import Connection, Database
from antigravity.ledger.errors import LedgerError
from antigravity.ledger.names import Names
from antigravity.ledger.payload_text import PayloadRedactor
from antigravity.ledger.rows import (
    Pricer,
    RequestRow,
    RowNumbers,
    attempt_rows,
    micros,
    request_row,
)
from antigravity.ledger.spool import Batch
from antigravity.ledger.sums import HOUR, HourSums
from antigravity.logs import make_logger

#: The most rows that are made at once; other threads run between them.
_SLICE: Final = 50
#: The most payloads that are remembered because their commit is unknown.
_UNCERTAIN: Final = 1000


class Writer:
    """The writer of the ledger.

    :param now: returns seconds since the epoch.
    :param price: returns the cost of an exchange.
    """

    log = make_logger()

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
        self._generation = 0
        self._queries: Any = None
        self._names = Names()
        self._block_ends: dict[int, int] = {}
        self._uncertain: list[dict[str, object]] = []

    def open(self) -> None:
        """Open the database, and create or change its tables where needed.

        :raises LedgerError: if it cannot be used.
        """
        if self._connection is not None:
            if self._generation == self._database.generation:
                return
            self.close()  # a reader has found that the file was damaged
        self._queries = self._queries or self._database.load_queries("write", "payloads", "blocks")
        connection = self._database.prepare()
        try:
            with self._database.errors(), self._database.reading(connection):
                self._names = Names(self._queries.known_names(connection))
                self._block_ends = dict(self._queries.block_ends(connection))
                if not self._database.remote:  # other gateways' clocks are not ours
                    self._numbers.follow(self._queries.newest_row(connection) or 0)
                    self._numbers.follow(self._queries.newest_payload(connection) or 0)
        except BaseException:
            connection.close()
            raise
        self._connection, self._generation = connection, self._database.generation

    def write(
        self, records: Sequence[ExchangeRecord], refusals: Mapping[tuple[int, str], int]
    ) -> list[RequestRow]:
        """Write finished exchanges in one transaction, and return their rows.

        :param refusals: numbers of refused requests, by hour since the epoch and kind.
        :raises LedgerError: if nothing could be written.
        """
        self.open()
        batch = self.make(records, refusals)
        self.store(batch)
        return batch.rows

    def make(
        self,
        records: Sequence[ExchangeRecord],
        refusals: Mapping[tuple[int, str], int],
        given: Mapping[tuple[str, int], int] | None = None,
    ) -> Batch:
        """Return the rows of finished exchanges; one that has none is left out.

        :param given: numbers of rows that were made before, by id and start: clients choose ids,
            and may use one twice.
        """
        batch = Batch(refusals=[(hour, kind, n) for (hour, kind), n in refusals.items()])
        now = int(self._now() * 1_000_000)
        for place, record in enumerate(records, 1):
            key = record.id, micros(record.started)
            number = (given or {}).get(key) or self._numbers.next(now)
            try:
                row = request_row(record, number, self._price)
                attempts = attempt_rows(record, number)
            except Exception:  # noqa: BLE001 - the others must be written
                self.log.failure("the request {id} is not in the ledger", id=record.id)
                continue
            batch.rows.append(row)
            batch.attempts += attempts
            if not place % _SLICE:
                time.sleep(0)  # lets other threads run
        return batch

    def store(self, batch: Batch) -> None:
        """Write rows in one transaction.

        :raises LedgerError: if nothing could be written.
        """
        with self.transaction() as connection:
            self._insert(connection, batch)

    def store_again(self, batches: Sequence[Batch]) -> None:
        """Write rows in one transaction, but for those that are there already.

        Rows are there if a transaction succeeded whose end could not be told.  Its numbers of
        refused requests are there, too.

        :raises LedgerError: if nothing could be written.
        """
        with self.transaction() as connection:
            whole = Batch()
            taken: set[int] = set()
            for batch in batches:
                new = self._without_stored(connection, batch, taken)
                if new.rows or not batch.rows:
                    whole.rows += new.rows
                    whole.attempts += new.attempts
                    whole.refusals += new.refusals
            self._insert(connection, whole)

    def _insert(self, connection: Connection, batch: Batch) -> None:
        names: list[dict[str, object]] = []
        for row in batch.rows:
            names += self._names.use(row, row.started // HOUR)
        for start in range(0, len(batch.rows), _SLICE):
            rows = batch.rows[start : start + _SLICE]
            self._database.insert(connection, "requests", rows)
        self._database.insert(connection, "attempts", batch.attempts)
        sums = HourSums()
        for row in batch.rows:
            sums.add(row)
        self._add(connection, sums.combined(), sums.single())
        names.sort(key=lambda each: (str(each["kind"]), str(each["name"])))
        self._queries.use_names(connection, names)
        self._queries.add_refusals(
            connection,
            [
                {"hour": hour, "kind": kind, "requests": number}
                for hour, kind, number in sorted(batch.refusals)
            ],
        )

    def _without_stored(self, connection: Connection, batch: Batch, taken: set[int]) -> Batch:
        """Return a batch without the rows that are stored; a number of another row is replaced.

        :param taken: the numbers of new rows, to which those of the batch are added.
        """
        found = Batch(refusals=batch.refusals)
        moved: dict[int, int] = {}
        for row in batch.rows:
            number, key = row.number, (row.id, row.started)
            while True:
                other = self._queries.key_of_row(connection, number=number)
                if other is not None and tuple(other) == key:
                    break
                if other is None and number not in taken:
                    found.rows.append(msgspec.structs.replace(row, number=number))
                    moved[row.number] = number
                    taken.add(number)
                    break
                number = RowNumbers.after(number, key)
        found.rows.sort(key=lambda row: row.number)
        for attempt in batch.attempts:
            if attempt.request in moved:
                new = moved[attempt.request]
                found.attempts.append(msgspec.structs.replace(attempt, request=new))
        return found

    def read_block_ends(self) -> None:
        """Learn which blocks have been made.

        :raises LedgerError: if the ledger cannot be used.
        """
        with self.opened() as connection, self._database.reading(connection):
            self._block_ends = dict(self._queries.block_ends(connection))

    def _add(
        self, connection: Connection, hours: list[dict[str, Any]], names: list[dict[str, Any]]
    ) -> None:
        """Add sums to the hours, and to the blocks that are made already."""
        self._queries.add_to_hours(connection, hours)
        self._queries.add_to_names_by_hour(connection, names)
        made = max(self._block_ends.values(), default=0)
        # On a server, another gateway may have made some in the meantime.
        if self._database.remote or any(row["hour"] < made for row in hours):
            ends = dict(self._queries.block_ends(connection))
            if late := late_sums(hours, ends):
                self._queries.add_to_blocks(connection, late)
                self._queries.add_to_names_by_block(connection, late_sums(names, ends))

    def write_payloads(self, payloads: Sequence[RawPayloads], redactor: PayloadRedactor) -> int:
        """Write payloads in one transaction, and return about how many bytes they take.

        Those of the last transaction, if its end could not be told, take the place of what is
        there.

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
        requests = {(each.request_id, micros(each.started)) for each in payloads}
        again = [each for each in self._uncertain if (each["request"], each["started"]) in requests]
        sent = [
            {"number": row.number, "request": row.request, "started": row.started} for row in rows
        ]
        self._uncertain = [*again, *sent][-_UNCERTAIN:]
        with self.transaction() as connection:
            if again:
                self._queries.delete_payload(connection, again)
            self._database.insert(connection, "payloads", rows)
        self._uncertain = []
        return sum(row.stored for row in rows)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Return a context with the connection, whose changes are made together or not at all.

        :raises LedgerError: if they could not be made.
        """
        if self._database.remote and self._connection is not None:
            self._reconnect(self._connection)
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

    def _reconnect(self, connection: Connection) -> None:
        """Close a connection that broke since it was used last, so that another one is opened."""
        try:
            with self._database.errors():
                connection.execute("SELECT 1")
        except LedgerError:
            self.close()

    def close(self) -> None:
        """Close the database; :meth:`open` opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
