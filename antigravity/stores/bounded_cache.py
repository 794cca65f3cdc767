"""A cache in memory with limits on number, size and age."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class BoundedCache:
    """Byte strings by key; the least recently used ones are removed first.

    ``now`` returns seconds; ``ttl`` is in seconds since the last use.
    """

    def __init__(
        self, now: Callable[[], float], *, max_entries: int, max_bytes: int, ttl: float
    ) -> None:
        self._now = now
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._ttl = ttl
        self.configure(max_entries=max_entries, max_bytes=max_bytes, ttl=ttl)

    def __len__(self) -> int:
        return len(self._entries)

    def configure(self, *, max_entries: int, max_bytes: int, ttl: float) -> None:
        """Change the limits, and remove at once what exceeds them."""
        shorter = ttl < self._ttl
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ttl = ttl
        if shorter:
            latest = self._now() + ttl
            for key, (expires, value) in self._entries.items():
                self._entries[key] = (min(expires, latest), value)
        self._trim()

    def put(self, key: str, value: bytes) -> bool:
        """Store ``value``; return false if it is larger than the cache."""
        self.delete(key)
        if len(value) > self._max_bytes or not self._max_entries:
            return False
        self._entries[key] = (self._now() + self._ttl, value)
        self._bytes += len(value)
        self._trim()
        return True

    def get(self, key: str) -> bytes | None:
        """Return the value of ``key``, ``None`` if it is missing or has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value = entry
        if expires <= self._now():
            self.delete(key)
            return None
        self._entries[key] = (self._now() + self._ttl, value)
        self._entries.move_to_end(key)
        return value

    def has_ending(self, ending: str) -> bool:
        """Return whether there is a key with this ending; this scans all keys."""
        return any(key.endswith(ending) for key in self._entries)

    @property
    def size(self) -> int:
        """The bytes of all values."""
        return self._bytes

    def remove_oldest(self) -> None:
        """Remove the least recently used value; there must be one."""
        self.delete(next(iter(self._entries)))

    def _trim(self) -> None:
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self.remove_oldest()

    def delete(self, key: str) -> bool:
        """Remove ``key``; return whether it was there."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self._bytes -= len(entry[1])
        return True
