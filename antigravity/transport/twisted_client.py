"""The HTTP client over the agents of Twisted; ``proxy.http_client`` selects it."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime, IStreamClientEndpoint
from twisted.web.client import Agent, HTTPConnectionPool, ProxyAgent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from antigravity.transport.endpoints import BoundedEndpoint
from antigravity.transport.http11 import ConnectionPool
from antigravity.transport.request_headers import encode_headers
from antigravity.transport.route import Route


class TwistedLease:
    """The agent and the connection of one request: the interface of a pool that ``Agent`` needs.

    It holds the connection, so that it can be aborted, and limits the time to open one.
    """

    def __init__(
        self, pool: HTTPConnectionPool, reactor: IReactorTime, limit: float, route: Route
    ) -> None:
        self.persistent = pool.persistent
        self._connection: Any = None
        self._pool = pool
        self._reactor = reactor
        self._limit = limit
        self._route = route
        self._bounded: BoundedEndpoint | None = None
        if route.is_proxied:
            endpoint = route.endpoints.endpointForURI(None)
            self.agent: IAgent = ProxyAgent(endpoint, reactor, self)
        else:
            self.agent = Agent.usingEndpointFactory(reactor, route.endpoints, self)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    @property
    def is_reused(self) -> bool:
        """Whether the connection had been open before."""
        opened = self._bounded is not None and self._bounded.used
        return self._connection is not None and not opened

    def getConnection(self, key: Any, endpoint: IStreamClientEndpoint) -> Deferred[IProtocol]:
        """Return a Deferred that fires with a connection."""
        route = self._route
        self._bounded = bounded = BoundedEndpoint(endpoint, self._reactor, self._limit, route.where)
        leasing: Deferred[Any] = self._pool.getConnection(route.key, bounded)
        return leasing.addCallback(self._set_connection)

    def _set_connection(self, connection: Any) -> Any:
        self._connection = connection
        return connection

    def abort_connection(self) -> None:
        """Close the connection now, without sending the rest of the request."""
        if self._connection is not None:
            self._connection.transport.abortConnection()


class TwistedClient:
    """A pool of Twisted's connections."""

    def __init__(self, reactor: Any, *, persistent: bool, most: int, timeout: float) -> None:
        self._reactor = reactor
        self._pool: HTTPConnectionPool = ConnectionPool(reactor, persistent)
        self._pool.maxPersistentPerHost = most
        self._pool.cachedConnectionTimeout = timeout  # type: ignore[assignment]
        # Only the exchange decides about retries, because requests cost money.
        self._pool.retryAutomatically = False

    def lease(self, route: Route, limit: float) -> TwistedLease:
        """Return a lease for one request; connecting may take ``limit`` seconds."""
        return TwistedLease(self._pool, self._reactor, limit, route)

    def build_headers(
        self, pairs: tuple[tuple[str, str], ...], host: bytes, authorization: str
    ) -> Headers:
        """Return the headers of a request to ``host``, with those of its proxy.

        :raises ValueError: if a name is not ASCII.
        """
        headers = Headers()
        for name, value in encode_headers(pairs, host, authorization):
            headers.addRawHeader(name, value)
        return headers

    def close(self) -> Deferred[Any]:
        """Return a Deferred that fires when all idle connections are closed."""
        closing: Deferred[Any] = self._pool.closeCachedConnections()
        return closing
