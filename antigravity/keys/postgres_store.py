"""The keys of clients in a PostgreSQL database, for all gateways that use it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from zope.interface import implementer

from antigravity.interfaces.key_store import Edit, IKeyStore, KeySet, KeyStoreError
from antigravity.interfaces.state import StateError
from antigravity.interfaces.stores import IStateStore
from antigravity.keys.postgres_spending import PostgresSpending
from antigravity.keys.postgres_tables import CHANNEL, migrate
from antigravity.keys.postgres_watcher import PostgresWatcher
from antigravity.stores.postgres_pool import PostgresPool
from antigravity.stores.postgres_server import Server

_OF_KEYS: Final = "split_part(account, '/', 1) = ANY(%s)"
_IN_ORDER: Final = "ORDER BY account, period FOR UPDATE"


@implementer(IKeyStore)
class PostgresKeyStore:
    """The keys at ``server``; see :class:`IKeyStore`.

    :param store: keeps settlements of budgets while the server is away.
    """

    def __init__(self, reactor: Any, server: Server, store: IStateStore) -> None:
        self._reactor = reactor
        self._pool = PostgresPool(reactor, server)
        self._is_prepared = False
        self._watcher: PostgresWatcher | None = None
        self._changed: Callable[[], None] = _nothing
        self._lost: Callable[[str], None] = _nothing
        self.name = server.name
        self.spending = PostgresSpending(reactor, self._pool, self._prepare_to_spend, store)

    def start(self) -> Deferred[None]:
        """Begin to watch, and settle what was not settled before."""
        self._watcher = PostgresWatcher(
            self._reactor,
            self._pool.server,
            lambda: self._changed(),
            lambda reason: self._lost(reason),
        )
        self._watcher.start()
        self.spending.start()
        return succeed(None)

    @inlineCallbacks
    def stop(self) -> Any:
        """Close all connections."""
        if self._watcher is not None:
            yield self._watcher.stop()
        yield self.spending.stop()
        yield self._pool.stop()

    def watch(self, changed: Callable[[], None], lost: Callable[[str], None]) -> None:
        """Call functions when keys may have changed, and when the server is lost."""
        self._changed, self._lost = changed, lost

    def load(self) -> Deferred[KeySet]:
        """Return the keys."""
        return self._prepare().addCallback(lambda _: self._pool.transaction(_load))

    def change(self, edit: Edit) -> Deferred[KeySet]:
        """Change the keys, and tell all gateways."""
        work = partial(_change, edit)
        return self._prepare().addCallback(lambda _: self._pool.transaction(work))

    def _prepare(self) -> Deferred[None]:
        """Return a Deferred that fires when the tables exist."""
        if self._is_prepared:
            return succeed(None)

        def prepared(_: object) -> None:
            self._is_prepared = True

        return self._pool.run(migrate).addCallback(prepared)

    def _prepare_to_spend(self) -> Deferred[None]:
        def failed(failure: Any) -> None:
            failure.trap(KeyStoreError)
            raise StateError(str(failure.value))

        prepared = self._prepare()
        return prepared if self._is_prepared else prepared.addErrback(failed)


def _load(connection: Any) -> KeySet:
    """Return all keys; another transaction may change them meanwhile."""
    salt = connection.execute("SELECT salt FROM key_set").fetchone()[0]
    rows = connection.execute("SELECT record FROM client_keys ORDER BY number").fetchall()
    try:
        return KeySet(salt, tuple(msgspec.json.decode(record) for (record,) in rows))
    except (ValueError, RecursionError) as error:
        raise KeyStoreError(f"a key in the database is damaged: {error}") from None


def _change(edit: Edit, connection: Any) -> KeySet:
    """Change the keys; all others who want to wait for the row that is locked here."""
    connection.execute("SELECT 1 FROM key_set FOR UPDATE")
    found = _load(connection)
    keys = edit(found)
    before = {each["id"]: each for each in found.keys}
    after = {each["id"]: each for each in keys.keys}
    for name, record in after.items():
        if record != before.get(name):
            connection.execute(
                "INSERT INTO client_keys (id, record) VALUES (%s, %s) "
                "ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                [name, msgspec.json.encode(record).decode()],
            )
    gone = [name for name in before if name not in after]
    if gone:
        connection.execute(f"SELECT 1 FROM spending WHERE {_OF_KEYS} {_IN_ORDER}", [gone])  # noqa: S608 - names of this module
        connection.execute("DELETE FROM client_keys WHERE id = ANY(%s)", [gone])
        for table in ("reservations", "spending"):
            connection.execute(f"DELETE FROM {table} WHERE {_OF_KEYS}", [gone])  # noqa: S608 - names of this module
    connection.execute("UPDATE key_set SET salt = %s, version = version + 1", [keys.salt])
    connection.execute(f"NOTIFY {CHANNEL}")
    return keys


def _nothing(*arguments: object) -> None:
    """Do nothing."""
