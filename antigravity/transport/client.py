"""The HTTP client: one pool of connections, a limit for every wait, plain errors.

It stands on Twisted's ``Agent`` rather than on treq's ``HTTPClient``: the latter adds
``Accept-Encoding: gzip`` and a cookie jar that all credentials would share to every request,
and costs ten times as much.  Redirects are not followed: an upstream that moves is
misconfigured, and a credential must not move with it.
"""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ProxyAgent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from antigravity.interfaces.transport import (
    IHttpTransport,
    IIncomingResponse,
    OutgoingRequest,
)
from antigravity.ir.errors import GatewayError, UnavailableError
from antigravity.redaction.credentials import CREDENTIALS, authorizes
from antigravity.transport.authority import Authority, authority_of
from antigravity.transport.body_producer import BodyProducer
from antigravity.transport.deadlines import deadline
from antigravity.transport.endpoints import BoundedEndpoint, DirectEndpoints, caching_policy
from antigravity.transport.failures import (
    cause_of,
    error_before_response,
    was_cancelled,
    was_closed,
)
from antigravity.transport.http11 import ConnectionPool
from antigravity.transport.proxy import Proxy, TunnelEndpoints, parse_proxy
from antigravity.transport.response import IncomingResponse

#: Connections kept open to one host.
MAX_PERSISTENT: Final = 1024

#: Seconds that an unused connection is kept.
KEEP: Final = 90.0

#: How often a request is sent again because the connection that it was to use was closed just
#: then.  That is how servers end connections that they take for idle, and no fault; curl and
#: browsers do the same.
MAX_RESENDS: Final = 2

#: Seconds within which that shows.
STALE_WITHIN: Final = 2.0

#: Seconds that :meth:`HttpTransport.close` waits for the other sides.
CLOSING: Final = 5.0


class _Lease:
    """What ``Agent`` needs of a pool, for one request.

    It remembers the connection that was given, so that it can be ended at once, and sets the
    time limit for opening one.
    """

    def __init__(
        self, pool: HTTPConnectionPool, reactor: IReactorTime, limit: float, where: str, key: Any
    ) -> None:
        self.persistent = pool.persistent
        self.connection: Any = None
        self._pool = pool
        self._reactor = reactor
        self._limit = limit
        self.where = where
        self._key = key
        self._bounded: BoundedEndpoint | None = None

    @property
    def is_reused(self) -> bool:
        """Whether the connection had been open before."""
        opened = self._bounded is not None and self._bounded.used
        return self.connection is not None and not opened

    def getConnection(self, key: Any, endpoint: IStreamClientEndpoint) -> Deferred[IProtocol]:
        """Return a Deferred that fires with a connection."""
        self._bounded = bounded = BoundedEndpoint(endpoint, self._reactor, self._limit, self.where)
        leasing: Deferred[Any] = self._pool.getConnection(self._key or key, bounded)
        return leasing.addCallback(self._given)

    def _given(self, connection: Any) -> Any:
        self.connection = connection
        return connection

    def kill(self) -> None:
        """End the connection now, without waiting for what is still unsent."""
        if self.connection is not None:
            self.connection.transport.abortConnection()


class _Exchange:
    """One request and the wait for its response headers."""

    def __init__(self, transport: HttpTransport, request: OutgoingRequest) -> None:
        self._transport = transport
        self._reactor = transport.reactor
        self._request = request
        self._limits = request.timeouts
        self._timers: dict[str, IDelayedCall] = {}
        self._lease: _Lease | None = None
        self._asking: Deferred[IResponse] | None = None
        self._incoming: IncomingResponse | None = None
        self._where = "the upstream"
        self._settled = False
        self._resends = MAX_RESENDS
        self._sent = 0.0
        self.result: Deferred[IIncomingResponse] = Deferred(lambda _: self._give_up())

    def start(self) -> Deferred[IIncomingResponse]:
        """Send the request."""
        result = self.result
        try:
            origin = authority_of(self._request.url.encode("ascii"))
            self._where = origin.where
            self._send(origin)
        except GatewayError as error:
            return fail(error)
        except ValueError:
            return fail(UnavailableError("the address of an upstream is not a valid one"))
        return result

    def _send(self, origin: Authority) -> None:
        """Send the request, for the first time or once more.

        :raises GatewayError: if the way to the upstream is not a valid one.
        :raises ValueError: if the request is not.
        """
        request = self._request
        agent, extra = self._agent(origin)
        headers = _headers((*request.headers, *extra), origin)
        producer = BodyProducer(request.body) if request.body else None
        method, url = request.method.encode("ascii"), request.url.encode("ascii")
        self._sent = self._reactor.seconds()
        asking = agent.request(method, url, headers, producer)
        self._watch()
        self._asking = asking
        asking.addCallbacks(self._arrived, self._failed, errbackArgs=(origin,))

    def _watch(self) -> None:
        """Let the time limits begin, once."""
        if self in self._transport.active:
            return
        self._transport.active.add(self)
        for limit in ("first_byte", "total"):
            seconds = getattr(self._limits, limit)
            if seconds:
                self._timers[limit] = self._reactor.callLater(seconds, self._expired, limit)

    def _agent(self, origin: Authority) -> tuple[IAgent, tuple[tuple[str, str], ...]]:
        """Return what sends the request, and headers that it must carry for that."""
        transport = self._transport
        if not self._request.proxy:
            return self._direct(transport.endpoints, self._where, None), ()
        proxy = parse_proxy(self._request.proxy)
        where = f"the proxy {proxy.name}"
        if origin.secure:
            key = ("http-proxy-CONNECT", self._request.proxy, origin)
            tunnels = TunnelEndpoints(transport.direct, proxy)
            return self._direct(tunnels, where, key), ()
        return self._plain_proxy(proxy, where)

    def _direct(self, endpoints: IAgentEndpointFactory, where: str, key: Any) -> IAgent:
        agent: IAgent = Agent.usingEndpointFactory(
            self._reactor, endpoints, self._new_lease(where, key)
        )
        return agent

    def _plain_proxy(self, proxy: Proxy, where: str) -> tuple[IAgent, tuple[tuple[str, str], ...]]:
        self._where = f"{self._where} (by {where})"
        endpoint = self._transport.direct.tcp(proxy.host, proxy.port)
        lease = self._new_lease(where, ("http-proxy", self._request.proxy))
        agent: IAgent = ProxyAgent(endpoint, self._reactor, lease)
        if proxy.authorization:
            return agent, (("proxy-authorization", proxy.authorization),)
        return agent, ()

    def _new_lease(self, where: str, key: Any) -> _Lease:
        self._lease = lease = _Lease(
            self._transport.pool, self._reactor, self._limits.connect, where, key
        )
        return lease

    def _arrived(self, response: IResponse) -> None:
        assert self._lease is not None
        self._cancel_timer("first_byte")
        self._settle()
        self._incoming = incoming = IncomingResponse(
            response,
            reactor=self._reactor,
            idle=self._limits.idle,
            where=self._where,
            kill=self._lease.kill,
            on_end=self._ended,
        )
        self.result.callback(incoming)

    def _failed(self, failure: Failure, origin: Authority) -> None:
        if self._settled:
            return
        if self._is_stale(cause_of(failure)):
            self._resends -= 1
            self._send(origin)
            return
        self._settle()
        self._ended()
        if was_cancelled(cause_of(failure)):
            self.result.errback(UnavailableError("the transport is closed"))
        else:
            lease = self._lease
            connecting = lease is not None and lease.connection is None
            where = lease.where if lease and connecting else self._where
            self.result.errback(error_before_response(cause_of(failure), where))

    def _is_stale(self, cause: BaseException) -> bool:
        """Return whether a kept connection was closed as the request was sent, not because of it.

        Whoever has begun to work on the request takes longer.
        """
        if not self._resends or self._lease is None or not self._lease.is_reused:
            return False
        return was_closed(cause) and self._reactor.seconds() - self._sent < STALE_WITHIN

    def _expired(self, limit: Any) -> None:
        self._timers.pop(limit, None)
        error = deadline(limit, getattr(self._limits, limit), self._where)
        if self._incoming is not None:
            self._incoming.fail(error)
        else:
            self._give_up()
            self.result.errback(error)

    def _settle(self) -> None:
        """Send no more, and drop the body: cycles may keep this until the next collection."""
        self._settled = True
        self._request = replace(self._request, body=b"")

    def _give_up(self) -> None:
        """Stop; whatever the agent says now is of no interest."""
        if not self._settled:
            self._settle()
            self._ended()
            if self._asking is not None:
                self._asking.cancel()

    def stop(self) -> None:
        """Stop whatever goes on, because the transport closes."""
        error = UnavailableError("the gateway is shutting down")
        if self._incoming is not None:
            self._incoming.fail(error)
        elif not self._settled:
            self._give_up()
            self.result.errback(error)

    def _ended(self) -> None:
        for limit in tuple(self._timers):
            self._cancel_timer(limit)
        self._transport.active.discard(self)

    def _cancel_timer(self, limit: str) -> None:
        timer = self._timers.pop(limit, None)
        if timer is not None:
            timer.cancel()


@implementer(IHttpTransport)
class HttpTransport:
    """Sends requests over one pool of persistent connections.

    ``policy`` is for TLS (the browsers' one if ``None``).  ``endpoints`` replaces the way to
    hosts, for who must look at addresses before they are connected to.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        policy: IPolicyForHTTPS | None = None,
        endpoints: IAgentEndpointFactory | None = None,
        persistent: bool = True,
    ) -> None:
        self.reactor: Any = reactor
        self.direct = DirectEndpoints(reactor, caching_policy(policy))
        self.endpoints = endpoints or self.direct
        self.pool: HTTPConnectionPool = ConnectionPool(reactor, persistent)
        self.pool.maxPersistentPerHost = MAX_PERSISTENT
        self.pool.cachedConnectionTimeout = KEEP  # type: ignore[assignment]
        # Never twice: a model's answer costs money, and who retries is the exchange.
        self.pool.retryAutomatically = False
        self.active: set[_Exchange] = set()
        self._closed = False

    def send(self, request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Return a Deferred that fires with the response once its headers are in."""
        if self._closed:
            return fail(UnavailableError("the gateway is shutting down"))
        for name, value in request.headers:
            if authorizes(name):
                CREDENTIALS.sent(value)
        return _Exchange(self, request).start()

    def interrupt(self) -> None:
        """Let all requests fail, those that run and those that come: the gateway stops."""
        self._closed = True
        for exchange in tuple(self.active):
            exchange.stop()

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when all connections are closed."""
        self.interrupt()
        closing = self.pool.closeCachedConnections()
        closing.addTimeout(CLOSING, self.reactor)
        turn: Deferred[None] = Deferred()  # connections that were aborted end with the next turn
        self.reactor.callLater(0, turn.callback, None)
        both = DeferredList([closing, turn], consumeErrors=True)
        return both.addCallback(lambda _: None)


def _headers(pairs: tuple[tuple[str, str], ...], origin: Authority) -> Headers:
    """Return ``pairs`` for the wire; bodies are asked for as they are, not compressed."""
    headers = Headers()
    for name, value in pairs:
        headers.addRawHeader(name.encode("ascii"), value.encode())
    # ``Agent`` would copy all of them for the one that is missing.
    if not headers.hasHeader(b"host"):
        headers.addRawHeader(b"host", origin.host)
    if not headers.hasHeader(b"accept-encoding"):
        headers.addRawHeader(b"accept-encoding", b"identity")
    return headers
