"""The HTTP client over connections of the gateway's own."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from twisted.internet.defer import Deferred

from antigravity.transport.http1.agent import RequestAgent
from antigravity.transport.http1.headers import FixedHeaders
from antigravity.transport.http1.pool import ConnectionPool
from antigravity.transport.http1.request_head import encode_lines
from antigravity.transport.request_headers import encode_headers
from antigravity.transport.route import Route


class Http1Client:
    """A pool of connections whose responses httptools parses."""

    def __init__(self, reactor: Any, *, persistent: bool, most: int, timeout: float) -> None:
        self._reactor = reactor
        self._pool = ConnectionPool(reactor, persistent=persistent, most=most, timeout=timeout)

    def lease(self, route: Route, limit: float) -> RequestAgent:
        """Return an agent for one request; connecting may take ``limit`` seconds."""
        return RequestAgent(self._pool, self._reactor, route, limit)

    def build_headers(
        self, pairs: tuple[tuple[str, str], ...], host: bytes, authorization: str
    ) -> FixedHeaders:
        """Return the headers of a request to ``host``, with those of its proxy.

        :raises ValueError: if one is malformed.
        """
        return _build_headers(pairs, host, authorization)

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when all idle connections are closed."""
        return self._pool.close()


@lru_cache(maxsize=256)
def _build_headers(
    pairs: tuple[tuple[str, str], ...], host: bytes, authorization: str
) -> FixedHeaders:
    """Return headers; most requests to an upstream with one account have the same."""
    encoded = encode_headers(pairs, host, authorization)
    if not any(name == b"accept-encoding" for name, _ in encoded):
        encoded.append((b"accept-encoding", b"identity"))
    return FixedHeaders(encoded, encode_lines(encoded))
