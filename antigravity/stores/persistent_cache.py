"""A bounded cache that is also stored on disk, so that it survives a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from antigravity.interfaces.stores import Entry, IExpiringStore
from antigravity.stores.bounded_cache import BoundedCache


class PersistentCache(BoundedCache):
    """Like :class:`BoundedCache`; ``now`` returns seconds since the epoch.

    Reading an entry does not extend its life on disk.

    :ivar disk: the store on disk, if there is one.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        max_entries: int,
        max_bytes: int,
        ttl: float,
        disk: IExpiringStore | None = None,
    ) -> None:
        self.disk = disk
        super().__init__(now, max_entries=max_entries, max_bytes=max_bytes, ttl=ttl)

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first."""
        return [Entry(key, expires, value) for key, (expires, value) in self._entries.items()]

    def restore(self, entries: Iterable[Entry]) -> None:
        """Restore the entries of ``disk``, oldest first."""
        for entry in entries:
            super().put(entry.key, entry.value)

    def put(self, key: str, value: bytes) -> bool:
        """Store ``value``; return false if it is larger than the cache."""
        stored = super().put(key, value)
        if stored and self.disk is not None:
            self.disk.put(Entry(key, self._now() + self._ttl, value))
        return stored

    def delete(self, key: str) -> bool:
        """Remove ``key``; return whether it was there."""
        removed = super().delete(key)
        if removed and self.disk is not None:
            self.disk.delete(key)
        return removed
