"""A thread that waits for changes of keys in a PostgreSQL database."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed

from antigravity.interfaces.key_store import KeyStoreError
from antigravity.keys.postgres_tables import CHANNEL, CLEAN, migrate
from antigravity.stores.postgres_pool import connect
from antigravity.stores.postgres_server import (
    SCHEMA,
    MissingClientError,
    Server,
    break_connection,
    load_client,
)

#: Seconds between two looks at the version, in case notifications do not arrive: a pool of
#: connections that stands in between does not pass them on.
_PERIOD: Final = 0.8
#: Seconds after which a server that was asked something and does not answer is lost.
_PATIENCE: Final = 5.0
#: Seconds after a failure until the next connection.
_PAUSE: Final = 0.5
#: Seconds between two removals of what nobody can settle any more.
_CLEANING: Final = 3600.0
_VERSION: Final = f"SELECT version FROM {SCHEMA}.key_set"  # noqa: S608 - names of this module


class PostgresWatcher:
    """Watches the version of the keys from :meth:`start` to :meth:`stop`.

    :param changed: is called when it is another one than before, and after each new connection.
    :param lost: is called with the reason when the connection is lost, or there is none.
    """

    def __init__(
        self,
        reactor: Any,
        server: Server,
        changed: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._server = server
        self._changed = changed
        self._lost = lost
        self._stopping = Event()
        self._thread: Thread | None = None
        self._connection: Any = None
        #: Since when the server owes an answer, 0 if it does not.
        self._asked = 0.0
        self._is_silent = False
        self._timer: Any = None
        self._stopped: Deferred[None] = Deferred()

    def start(self) -> None:
        """Begin to watch."""
        self._thread = Thread(target=self._run, name="postgres-keys", daemon=True)
        self._thread.start()
        self._timer = self._reactor.callLater(_PATIENCE / 2, self._check)

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when the thread has ended."""
        if self._thread is None:
            return succeed(None)
        self._stopping.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._connection is not None:
            break_connection(self._connection)
        return self._stopped

    def _check(self) -> None:
        """Break a connection whose server does not answer, such as one that is stopped."""
        self._timer = self._reactor.callLater(_PATIENCE / 2, self._check)
        connection, asked = self._connection, self._asked
        if connection is not None and asked and time.monotonic() - asked > _PATIENCE:
            self._is_silent = True
            break_connection(connection)

    def _run(self) -> None:
        try:
            psycopg = load_client()
            while not self._stopping.is_set():
                try:
                    self._watch()
                except (psycopg.Error, OSError, KeyStoreError) as error:
                    reason = self._server.explain(error)
                    if self._is_silent:
                        reason = f"the database does not answer within {_PATIENCE:g} s"
                    self._tell(self._lost, reason)
                self._stopping.wait(_PAUSE)
        except MissingClientError as error:
            self._tell(self._lost, str(error))
        finally:
            self._reactor.callFromThread(self._stopped.callback, None)

    def _watch(self) -> None:
        self._is_silent = False
        connection = self._connection = connect(self._server)
        self._asked = time.monotonic()
        try:
            migrate(connection)
            connection.execute(f"LISTEN {CHANNEL}")
            version, cleaned = None, -_CLEANING
            while not self._stopping.is_set():
                self._asked = time.monotonic()
                if self._asked > cleaned + _CLEANING:
                    cleaned = self._asked
                    connection.execute(f"SET search_path = {SCHEMA}; {CLEAN}; RESET search_path")
                    self._asked = time.monotonic()
                found = connection.execute(_VERSION).fetchone()
                self._asked = 0.0
                if found != version:
                    version = found
                    self._tell(self._changed)
                for _ in connection.notifies(timeout=_PERIOD, stop_after=1):
                    pass
        finally:
            self._connection, self._asked = None, 0.0
            with suppress(Exception):
                connection.close()

    def _tell(self, listener: Callable[..., None], *arguments: Any) -> None:
        self._reactor.callFromThread(self._tell_now, listener, *arguments)

    def _tell_now(self, listener: Callable[..., None], *arguments: Any) -> None:
        if not self._stopping.is_set():
            listener(*arguments)
