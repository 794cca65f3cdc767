"""An agent that sends one request over a pool."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import URI
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from antigravity.transport.authority import split_url
from antigravity.transport.endpoints import BoundedEndpoint
from antigravity.transport.http1.connection import ClientConnection
from antigravity.transport.http1.headers import HeaderPairs
from antigravity.transport.http1.pool import ConnectionPool
from antigravity.transport.http1.request_head import encode_head
from antigravity.transport.route import Route


@implementer(IAgent)
class RequestAgent:
    """An agent for one request, over an idle connection or a new one.

    :param limit: seconds for connecting, 0 for no limit.
    :ivar agent: this object, the agent of the lease that it is as well.
    :ivar is_reused: whether the connection had been open before.
    """

    def __init__(
        self, pool: ConnectionPool, reactor: IReactorTime, route: Route, limit: float
    ) -> None:
        self.is_reused = False
        self._pool = pool
        self._reactor = reactor
        self._route = route
        self._limit = limit
        self._connection: ClientConnection | None = None

    @property
    def agent(self) -> RequestAgent:
        """The agent."""
        return self

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803 - the name that treq uses
    ) -> Deferred[IResponse]:
        """Send a request; ``headers`` have ``Host``.

        :raises ValueError: if a part of the request is malformed, or the size of the body unknown.
        """
        pool, route = self._pool, self._route
        length = None if bodyProducer is None else bodyProducer.length
        if length is UNKNOWN_LENGTH:
            raise ValueError("the size of the body is unknown")
        beginning, target = split_url(uri)
        head = encode_head(
            method,
            beginning + target if route.is_proxied else target,
            HeaderPairs() if headers is None else headers,
            length,
            persistent=pool.persistent,
        )
        connection = pool.take(route.key)
        if connection is not None:
            self.is_reused = True
            self._connection = connection
            return connection.send(method, head, bodyProducer)
        try:
            endpoint = route.endpoints.endpointForURI(URI.fromBytes(beginning))
        except SchemeNotSupported:
            return fail()
        endpoint = BoundedEndpoint(endpoint, self._reactor, self._limit, route.where)
        connecting: Deferred[Any] = pool.connect(route.key, endpoint)
        return connecting.addCallback(self._connected, method, head, bodyProducer)

    def _connected(
        self,
        connection: ClientConnection,
        method: bytes,
        head: bytes,
        producer: IBodyProducer | None,
    ) -> Deferred[IResponse]:
        self._connection = connection
        return connection.send(method, head, producer)

    def abort_connection(self) -> None:
        """Close the connection now, without sending the rest of the request."""
        if self._connection is not None:
            self._connection.abort()
