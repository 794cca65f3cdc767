"""Byte strings in memory within bounds, and on disk too, so that they survive a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from antigravity.interfaces.stores import Entry, IExpiringStore
from antigravity.stores.bounded_cache import BoundedCache


class PersistentCache(BoundedCache):
    """Like :class:`BoundedCache`; ``now`` returns seconds since the epoch.

    What is only read is not written again: on disk an entry lives from when it was put there.

    :ivar disk: where else entries are kept, if anywhere.
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
        """Return everything that is known, the oldest first."""
        return [Entry(key, expires, value) for key, (expires, value) in self._entries.items()]

    def restore(self, entries: Iterable[Entry]) -> None:
        """Know again what ``disk`` has kept, the oldest first."""
        for entry in entries:
            super().put(entry.key, entry.value)

    def put(self, key: str, value: bytes) -> bool:
        """Keep ``value``; return whether there is room for it at all."""
        kept = super().put(key, value)
        if kept and self.disk is not None:
            self.disk.put(Entry(key, self._now() + self._ttl, value))
        return kept

    def delete(self, key: str) -> bool:
        """Forget ``key``; return whether it was known."""
        known = super().delete(key)
        if known and self.disk is not None:
            self.disk.delete(key)
        return known
