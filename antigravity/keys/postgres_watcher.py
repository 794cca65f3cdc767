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
        self._stopped: Deferred[None] = Deferred()

    def start(self) -> None:
        """Begin to watch."""
        self._thread = Thread(target=self._run, name="postgres-keys", daemon=True)
        self._thread.start()

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when the thread has ended."""
        if self._thread is None:
            return succeed(None)
        self._stopping.set()
        if self._connection is not None:
            break_connection(self._connection)
        return self._stopped

    def _run(self) -> None:
        try:
            psycopg = load_client()
            while not self._stopping.is_set():
                try:
                    self._watch()
                except (psycopg.Error, OSError, KeyStoreError) as error:
                    self._tell(self._lost, self._server.explain(error))
                self._stopping.wait(_PAUSE)
        except MissingClientError as error:
            self._tell(self._lost, str(error))
        finally:
            self._reactor.callFromThread(self._stopped.callback, None)

    def _watch(self) -> None:
        connection = self._connection = connect(self._server)
        try:
            migrate(connection)
            connection.execute(f"LISTEN {CHANNEL}")
            version, cleaned = None, -_CLEANING
            while not self._stopping.is_set():
                if time.monotonic() > cleaned + _CLEANING:
                    cleaned = time.monotonic()
                    connection.execute(f"SET search_path = {SCHEMA}; {CLEAN}; RESET search_path")
                found = connection.execute(_VERSION).fetchone()
                if found != version:
                    version = found
                    self._tell(self._changed)
                for _ in connection.notifies(timeout=_PERIOD, stop_after=1):
                    pass
        finally:
            self._connection = None
            with suppress(Exception):
                connection.close()

    def _tell(self, listener: Callable[..., None], *arguments: Any) -> None:
        self._reactor.callFromThread(self._tell_now, listener, *arguments)

    def _tell_now(self, listener: Callable[..., None], *arguments: Any) -> None:
        if not self._stopping.is_set():
            listener(*arguments)
