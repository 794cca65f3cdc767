"""The last responses of all connections, in bounds that all clients share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from antigravity.stores.bounded_cache import BoundedCache


class ClientHistories:
    """Stores for byte strings, one for each client.

    Beyond the bounds, the client that uses most loses its least recently used value: no client can
    displace what others need.

    :param now: returns seconds.
    :param bounds: ``max_entries`` and ``max_bytes`` of all clients together, and ``ttl``, in
        seconds since the last use; see :class:`BoundedCache`.
    """

    def __init__(self, now: Callable[[], float], **bounds: Any) -> None:
        self._now = now
        self._bounds = bounds
        self._clients: dict[str, BoundedCache] = {}

    def __len__(self) -> int:
        return sum(map(len, self._clients.values()))

    def configure(self, **bounds: Any) -> None:
        """Change the bounds, and remove at once what exceeds them."""
        if bounds != self._bounds:
            self._bounds = bounds
            for cache in self._clients.values():
                cache.configure(**bounds)
            self._trim()

    def store_for(self, client: str) -> ClientHistory:
        """Return the store of one client."""
        return ClientHistory(self, client)

    def get(self, client: str, key: str) -> bytes | None:
        """Return a value, ``None`` if it is missing or has expired."""
        cache = self._clients.get(client)
        return None if cache is None else cache.get(key)

    def put(self, client: str, key: str, value: bytes) -> bool:
        """Store a value; return false if it is larger than all values may be."""
        cache = self._clients.get(client)
        if cache is None:
            cache = self._clients[client] = BoundedCache(self._now, **self._bounds)
        is_stored = cache.put(key, value)
        self._trim()
        self._forget_if_empty(client)
        return is_stored

    def delete(self, client: str, key: str) -> bool:
        """Remove a value; return whether it was there."""
        cache = self._clients.get(client)
        was_there = cache is not None and cache.delete(key)
        self._forget_if_empty(client)
        return was_there

    def _trim(self) -> None:
        """Remove values of the largest clients until the bounds are met."""
        caches = self._clients
        size = sum(cache.size for cache in caches.values())
        count = len(self)
        while size > self._bounds["max_bytes"] or count > self._bounds["max_entries"]:
            is_too_large = size > self._bounds["max_bytes"]
            largest = max(caches, key=lambda name: _use(caches[name], by_size=is_too_large))
            before = caches[largest].size
            caches[largest].remove_oldest()
            size -= before - caches[largest].size
            count -= 1
            self._forget_if_empty(largest)

    def _forget_if_empty(self, client: str) -> None:
        if client in self._clients and not self._clients[client]:
            del self._clients[client]


def _use(cache: BoundedCache, *, by_size: bool) -> int:
    return cache.size if by_size else len(cache)


class ClientHistory:
    """The values of one client; a :class:`HistoryStore`."""

    def __init__(self, histories: ClientHistories, client: str) -> None:
        self._histories = histories
        self._client = client

    def get(self, key: str) -> bytes | None:
        """Return the value of ``key``, ``None`` if it is missing."""
        return self._histories.get(self._client, key)

    def put(self, key: str, value: bytes) -> bool:
        """Store ``value``; return false if it is too large."""
        return self._histories.put(self._client, key, value)

    def delete(self, key: str) -> bool:
        """Remove ``key``; return whether it was there."""
        return self._histories.delete(self._client, key)
