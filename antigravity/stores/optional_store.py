"""Entries that are kept elsewhere while that is wanted, which may change at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from zope.interface import implementer

from antigravity.interfaces.stores import Entry, IExpiringStore


@implementer(IExpiringStore)
class OptionalStore:
    """Keeps entries in what ``make`` returns, or not at all.

    ``erase`` deletes all that was ever kept there, and returns a Deferred: whoever switches it
    off does not want it there.  ``entries`` returns everything that is to be kept when it is
    switched on.
    """

    def __init__(
        self,
        make: Callable[[], IExpiringStore],
        erase: Callable[[], Deferred[Any]],
        entries: Callable[[], Iterable[Entry]],
        *,
        wanted: bool,
    ) -> None:
        self._make = make
        self._erase = erase
        self._entries = entries
        self._store = make() if wanted else None

    @inlineCallbacks
    def load(self) -> Any:
        """Return a Deferred that fires with what is kept, the oldest first."""
        if self._store is not None:
            return (yield self._store.load())
        yield self._erase()
        return []

    def put(self, entry: Entry) -> None:
        """Keep something, if that is wanted."""
        if self._store is not None:
            self._store.put(entry)

    def delete(self, key: str) -> None:
        """Keep what has this key no longer."""
        if self._store is not None:
            self._store.delete(key)

    @inlineCallbacks
    def switch(self, *, wanted: bool) -> Any:
        """Return a Deferred that fires when everything is kept from now on, or nothing is."""
        if wanted and self._store is None:
            store = self._make()
            yield store.load()
            for entry in self._entries():
                store.put(entry)
            self._store = store
        elif not wanted and self._store is not None:
            store, self._store = self._store, None
            yield store.stop()
            yield self._erase()

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when everything new is kept and all is closed."""
        if self._store is None:
            return succeed(None)
        done: Deferred[None] = self._store.stop()
        return done
