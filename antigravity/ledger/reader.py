"""Answers questions from the ledger.  Call its functions in threads: they block on the disk."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from antigravity.interfaces.ledger import RequestQuestion
from antigravity.ledger.database import Connection, Database
from antigravity.ledger.errors import LedgerError
from antigravity.ledger.queries import (
    Query,
    Span,
    add_up,
    export_requests,
    find_floor,
    list_requests,
)
from antigravity.ledger.rows import number_at

#: The most connections that are kept open, and the most groups of sums.
_KEPT: Final = 2
_GROUPS: Final = 1000
#: The most other requests with an id.
_OTHERS: Final = 20

_NUMBER: Final = re.compile("[0-9]{1,19}", re.ASCII)
#: The number of a row is below.
_NUMBERS: Final = 2**63

Row = dict[str, Any]


def reference_of(row: Mapping[str, Any]) -> str:
    """Return what names one request: its id may be that of others, too."""
    return f"{row['id']}@{row['number']}"


def split_reference(reference: str) -> tuple[str, int | None]:
    """Return the id in a reference, and the number if it has one."""
    request_id, at, number = reference.partition("@")
    if at and _NUMBER.fullmatch(number) and int(number) < _NUMBERS:
        return request_id, int(number)
    return reference, None


class Reader:
    """The readers of a database; several threads can use them at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._generation = database.generation
        self._is_closed = False
        self._queries = database.load_queries("read", "payloads", "blocks")

    def requests(self, question: RequestQuestion) -> tuple[list[Row], int | None]:
        """Return one page of requests, newest first, and one row more if there is one.

        Return also the lowest number that was looked at, if there are rows below it.
        """
        query = find_floor(question)
        found = [] if query is None else self._fetch(query)
        floor = found[0]["number"] if found else None
        return self._fetch(list_requests(question, floor)), floor

    def request(self, reference: str) -> Row | None:
        """Return a request with its ``attempts``, ``None`` if there is none.

        :param reference: its id, which may be that of several ones, of which the last is returned;
            or its id and its number, as :func:`reference_of` returns them.
        """
        request_id, number = split_reference(reference)
        with self._connection() as connection:
            if number is None:
                found = self._queries.request_by_id(connection, id=request_id)
            else:
                found = self._queries.request_by_number(connection, id=request_id, number=number)
            if found is None:
                return None
            attempts = self._queries.attempts_of(connection, number=found["number"])
            return {**dict(found), "attempts": [dict(each) for each in attempts]}

    def others_with_id(self, row: Row) -> list[Row]:
        """Return ``id`` and ``number`` of the newest other requests with the id of one."""
        with self._connection() as connection:
            found = self._queries.others_with_id(
                connection, id=row["id"], number=row["number"], limit=_OTHERS
            )
            return [dict(each) for each in found]

    def export(self, question: RequestQuestion) -> Iterator[Row]:
        """Yield the next requests, oldest first, with their ``attempts``."""
        for found in self._fetch(export_requests(question)):
            with self._connection() as connection:
                attempts = self._queries.attempts_of(connection, number=found["number"])
                yield {**found, "attempts": [dict(each) for each in attempts]}

    def payloads(self, request_id: str, started: int | None = None) -> list[Row]:
        """Return the messages of a request, in order.

        :param started: when it started, in microseconds, as in its row; without, the messages are
            those of the last one with this id.
        """
        queries, key = self._queries, {"request": request_id}
        with self._connection() as connection:
            if started is None:
                found = list(queries.newest_payloads_of(connection, **key))
            else:
                found = list(queries.payloads_of(connection, **key, started=started))
                found = found or list(
                    queries.old_payloads_of(connection, **key, number=number_at(started))
                )
            return [dict(each) for each in found]

    def add_up(
        self, span: Span, groups: Sequence[str] = (), filters: Mapping[str, str] | None = None
    ) -> list[Row]:
        """Return the sums in a time range, by groups; one row if there is none."""
        with self._connection() as connection:
            ends = {row["size"]: row["until"] for row in self._queries.block_ends(connection)}
            query = add_up(span, groups, filters or {}, limit=_GROUPS, ends=ends)
            return self._database.fetch(connection, query)

    def refusals(self, since: int, until: int) -> dict[str, int]:
        """Return how many requests of some hours were refused, by kind."""
        with self._connection() as connection:
            rows = self._queries.refusals_between(connection, since=since, until=until)
            return {row["kind"]: row["requests"] for row in rows}

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind that occurred, those used last first."""
        with self._connection() as connection:
            return [row["name"] for row in self._queries.names_of(connection, kind=kind)]

    def close(self) -> None:
        """Close the connections; those in use are closed when they are returned."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _fetch(self, query: Query) -> list[Row]:
        with self._connection() as connection:
            return self._database.fetch(connection, query)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        self._forget_damaged()
        generation = self._database.generation
        connection = self._idle_connection() or self._new_connection()
        try:
            with self._database.errors():
                yield connection
                self._database.end_question(connection)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            is_current = generation == self._database.generation
            keep = len(self._idle) < _KEPT and not self._is_closed and is_current
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def _forget_damaged(self) -> None:
        """Close idle connections to a database that was damaged; another is in its place."""
        with self._lock:
            if self._generation == self._database.generation:
                return
            self._generation = self._database.generation
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _idle_connection(self) -> Connection | None:
        """Return a connection that is ready for a question; those that broke are closed."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            try:
                self._begin(connection)
            except LedgerError:
                if not self._database.remote:
                    raise
            else:
                return connection

    def _new_connection(self) -> Connection:
        connection = self._database.open_reader()
        self._begin(connection)
        return connection

    def _begin(self, connection: Connection) -> None:
        try:
            with self._database.errors():
                self._database.begin_question(connection)
        except BaseException:
            connection.close()
            raise
