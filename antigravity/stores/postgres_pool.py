"""A few connections to a PostgreSQL server, used in threads: nothing waits for long, or unbounded.

Everything that a connection sets is set for one transaction, so that a pool of the server's side
may stand in between.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, TypeVar

from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from antigravity.interfaces.state import StateError
from antigravity.logs import make_logger
from antigravity.stores.postgres_server import (
    SCHEMA,
    MissingClientError,
    Server,
    break_connection,
    load_client,
)

#: The most connections of a pool, and the most calls that wait for one.
CONNECTIONS: Final = 4
MOST_WAITING: Final = 1000
#: Seconds until a call fails; what it sent to the server may be done all the same.
PATIENCE: Final = 5.0
#: Seconds to wait for a connection, and for what was sent to be received.
_NETWORK_TIMEOUT: Final = 4
#: Milliseconds after which the server ends a statement.
_STATEMENT_TIMEOUT: Final = 4000
#: Seconds after which a connection that nobody has used is closed.
_IDLE: Final = 60.0
#: Seconds after a failed connection in which calls fail at once.
_PAUSE: Final = 0.5

#: How a transaction begins: locks that others held are seen with what they did.
_BEGIN: Final = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = {SCHEMA}; "
    f"SET LOCAL statement_timeout = {_STATEMENT_TIMEOUT}"
)

T = TypeVar("T")


class UnsentError(StateError):
    """The server is out of reach, and was sent nothing."""


class _Call(Generic[T]):
    """A call: its connection as long as it has one, and whether nobody waits for it any more."""

    def __init__(self, work: Callable[[Any], T]) -> None:
        self.work = work
        self.connection: Any = None
        self.is_over = False

    def check(self) -> None:
        """Check that somebody waits.

        :raises UnsentError: if not.
        """
        if self.is_over:
            raise UnsentError("nobody waits for the database any more")


class PostgresPool:
    """Connections to ``server``, which are opened when they are needed.

    :ivar server: the server.
    """

    log = make_logger()

    def __init__(self, reactor: Any, server: Server) -> None:
        self._reactor = reactor
        self.server = server
        self._threads = ThreadPool(0, CONNECTIONS, "postgres")
        #: Connections that are not in use, and since when.
        self._idle: list[tuple[Any, float]] = []
        self._closing: IDelayedCall | None = None
        self._calls: dict[_Call[Any], Deferred[Any]] = {}
        self._is_stopped = False
        self._refused_until = 0.0
        self._refusal = ""

    def query(self, sql: str, parameters: Sequence[Any]) -> Deferred[list[tuple[Any, ...]]]:
        """Return a Deferred with the rows of a statement, which is a transaction: one round trip.

        It fails with a ``StateError`` if the server is out of reach.
        """
        return self._start(_Call(partial(_query, f"{_BEGIN}; {sql}; COMMIT", parameters)))

    def transaction(self, work: Callable[[Any], T]) -> Deferred[T]:
        """Return a Deferred with the result of ``work``, called in a thread with a connection.

        The connection is in a transaction, which is committed if ``work`` raises nothing.  The
        Deferred fails with a ``StateError`` if the server is out of reach.
        """

        def whole(connection: Any) -> T:
            connection.execute(_BEGIN)
            result = work(connection)
            call.check()
            connection.execute("COMMIT")
            return result

        call = _Call(whole)
        return self._start(call)

    def run(self, work: Callable[[Any], T]) -> Deferred[T]:
        """Return a Deferred with the result of ``work``; the connection is in no transaction."""
        return self._start(_Call(work))

    def _start(self, call: _Call[T]) -> Deferred[T]:
        if self._is_stopped:
            return fail(UnsentError("the connections to the database are closed"))
        if len(self._calls) >= MOST_WAITING:
            return fail(UnsentError("too many requests wait for the database"))
        if not self._threads.started:
            self._threads.start()
        result: Deferred[T] = Deferred(lambda _: self._give_up(call))
        timer = self._reactor.callLater(PATIENCE, self._time_out, call, result)
        running = deferToThreadPool(self._reactor, self._threads, self._run, call)
        self._calls[call] = running

        def ended(found: Any) -> None:
            del self._calls[call]
            if timer.active():
                timer.cancel()
            if self._idle and self._closing is None and not self._is_stopped:
                self._closing = self._reactor.callLater(_IDLE, self._close_unused)
            if not call.is_over:
                call.is_over = True
                result.callback(found)

        running.addBoth(ended)
        return result

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when all connections are closed, and all threads ended."""
        if self._is_stopped:
            return succeed(None)
        self._is_stopped = True
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        for call in self._calls:
            if call.connection is not None:
                break_connection(call.connection)
        return DeferredList(list(self._calls.values())).addCallback(self._end)

    def _end(self, _: object) -> None:
        for connection, _ in self._take_idle():
            connection.close()
        if self._threads.started:
            self._threads.stop()

    def _close_unused(self) -> None:
        """Close connections that were not used for long: a server has few."""
        until = time.monotonic() - _IDLE
        for connection, since in self._take_idle():
            if since > until:
                self._idle.append((connection, since))
            else:
                connection.close()
        self._closing = None
        if self._idle:
            self._closing = self._reactor.callLater(_IDLE, self._close_unused)

    def _take_idle(self) -> list[tuple[Any, float]]:
        """Return all connections that are not in use, which belong to the caller then."""
        found = []
        with suppress(IndexError):
            while True:
                found.append(self._idle.pop(0))
        return found

    def _time_out(self, call: _Call[T], result: Deferred[T]) -> None:
        if call.is_over:
            return
        self._give_up(call)
        result.errback(Failure(StateError(f"the database does not answer within {PATIENCE:g} s")))

    def _give_up(self, call: _Call[T]) -> None:
        """Stop waiting for a call: its connection may be dead."""
        call.is_over = True
        if call.connection is not None:
            break_connection(call.connection)

    def _run(self, call: _Call[T]) -> T:
        """Do the work of a call; in a thread."""
        call.check()
        try:
            psycopg = load_client()
        except MissingClientError as error:
            raise UnsentError(str(error)) from None
        connection = call.connection = self._take(psycopg)
        try:
            try:
                call.check()
                result = call.work(connection)
            except (psycopg.Error, OSError):
                call.connection = None
                connection.close()
                raise
            except BaseException:
                call.connection = None
                with suppress(psycopg.Error, OSError):
                    connection.execute("ROLLBACK")
                    self._idle.append((connection, time.monotonic()))
                raise
        except (psycopg.Error, OSError) as error:
            raise StateError(self.server.explain(error)) from None
        call.connection = None
        self._idle.append((connection, time.monotonic()))
        return result

    def _take(self, psycopg: Any) -> Any:
        """Return a connection that has not ended, as far as is known.

        :raises UnsentError: if there is none.
        """
        with suppress(IndexError):
            while True:
                connection, _ = self._idle.pop()
                if not _is_readable(connection.fileno()):
                    return connection
                connection.close()  # the server has said something: that it ends
        if time.monotonic() < self._refused_until:
            raise UnsentError(self._refusal)
        try:
            return connect(self.server)
        except (psycopg.Error, OSError) as error:
            self._refusal = self.server.explain(error)
            self._refused_until = time.monotonic() + _PAUSE
            raise UnsentError(self._refusal) from None


def _query(sql: str, parameters: Sequence[Any], connection: Any) -> list[tuple[Any, ...]]:
    """Execute statements, and return the rows of the one that has some."""
    rows: list[tuple[Any, ...]] = []
    cursor = connection.execute(sql, parameters)
    while True:
        if cursor.description:
            rows = cursor.fetchall()
        if not cursor.nextset():
            return rows


def _is_readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def connect(server: Server) -> Any:
    """Return a connection whose statements have their parameters in their text; this blocks."""
    psycopg = load_client()
    connection = server.connect(
        _NETWORK_TIMEOUT, _NETWORK_TIMEOUT, cursor_factory=psycopg.ClientCursor
    )
    # Sums of integers are integers.
    connection.adapters.register_loader("numeric", psycopg.types.numeric.IntLoader)
    return connection
