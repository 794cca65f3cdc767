"""The HTTP client over connections of the gateway's own."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from antigravity.transport.http1.agent import RequestAgent
from antigravity.transport.http1.headers import HeaderPairs
from antigravity.transport.http1.pool import ConnectionPool
from antigravity.transport.route import Route


class Http1Client:
    """A pool of connections whose responses httptools parses."""

    def __init__(self, reactor: Any, *, persistent: bool, most: int, timeout: float) -> None:
        self._reactor = reactor
        self._pool = ConnectionPool(reactor, persistent=persistent, most=most, timeout=timeout)

    def lease(self, route: Route, limit: float) -> RequestAgent:
        """Return an agent for one request; connecting may take ``limit`` seconds."""
        return RequestAgent(self._pool, self._reactor, route, limit)

    def build_headers(self, pairs: list[tuple[bytes, bytes]]) -> HeaderPairs:
        """Return the headers of a request; names are in lower case."""
        return HeaderPairs(pairs=pairs)

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when all idle connections are closed."""
        return self._pool.close()
