"""A store that can be enabled and disabled at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from zope.interface import implementer

from antigravity.interfaces.stores import Entry, IExpiringStore


@implementer(IExpiringStore)
class OptionalStore:
    """Stores entries in the store that ``open_store`` returns, or not at all.

    :param erase: deletes all stored data and returns a Deferred; called when the store is disabled.
    :param entries: returns the entries to write when the store is enabled.
    """

    def __init__(
        self,
        open_store: Callable[[], IExpiringStore],
        erase: Callable[[], Deferred[Any]],
        entries: Callable[[], Iterable[Entry]],
        *,
        enabled: bool,
    ) -> None:
        self._open_store = open_store
        self._erase = erase
        self._entries = entries
        self._store = open_store() if enabled else None

    @inlineCallbacks
    def load(self) -> Any:
        """Return a Deferred that fires with all entries, oldest first."""
        if self._store is not None:
            return (yield self._store.load())
        yield self._erase()
        return []

    def put(self, entry: Entry) -> None:
        """Schedule a write of an entry, if the store is enabled."""
        if self._store is not None:
            self._store.put(entry)

    def delete(self, key: str) -> None:
        """Schedule the removal of an entry."""
        if self._store is not None:
            self._store.delete(key)

    @inlineCallbacks
    def set_enabled(self, enabled: bool) -> Any:
        """Enable or disable the store, and return a Deferred that fires when that is done."""
        if enabled and self._store is None:
            store = self._open_store()
            yield store.load()
            for entry in self._entries():
                store.put(entry)
            self._store = store
        elif not enabled and self._store is not None:
            store, self._store = self._store, None
            yield store.stop()
            yield self._erase()

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when all changes are written and the store is closed."""
        if self._store is None:
            return succeed(None)
        done: Deferred[None] = self._store.stop()
        return done
