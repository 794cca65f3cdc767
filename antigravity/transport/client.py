"""The HTTP client: treq over one pool of connections, with a limit for every wait.

Redirects are not followed, because they would carry a credential to another address.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.python.failure import Failure
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from antigravity.config.settings import HttpClientName
from antigravity.interfaces.transport import (
    IHttpTransport,
    IIncomingResponse,
    OutgoingRequest,
)
from antigravity.ir.errors import GatewayError, UnavailableError
from antigravity.redaction.credentials import CREDENTIALS, authorizes
from antigravity.transport.authority import Authority, authority_of
from antigravity.transport.body_producer import BodyProducer
from antigravity.transport.deadlines import Limit, deadline_error
from antigravity.transport.endpoints import DirectEndpoints, caching_policy
from antigravity.transport.failures import (
    cause_of,
    error_before_response,
    was_cancelled,
    was_closed,
)
from antigravity.transport.http1.agent import RequestAgent
from antigravity.transport.http1.client import Http1Client
from antigravity.transport.request_timer import RequestTimer
from antigravity.transport.response import IncomingResponse
from antigravity.transport.route import Route, find_route
from antigravity.transport.treq_client import IdentityAgent, send
from antigravity.transport.twisted_client import TwistedClient, TwistedLease

if TYPE_CHECKING:
    from antigravity.transport.websocket.pool import SocketPool

#: The HTTP clients by the names of ``proxy.http_client``.
HTTP_CLIENTS: Final[dict[HttpClientName, Any]] = {
    "httptools": Http1Client,
    "twisted": TwistedClient,
}

#: Connections kept open to one host.
MAX_PERSISTENT: Final = 1024

#: Seconds after which an idle connection is closed.
IDLE_TIMEOUT: Final = 90.0

#: How often a request is sent again when a pooled connection is closed just as it is sent.  Servers
#: close idle connections this way; curl and browsers send again, too.
MAX_RESENDS: Final = 2

#: A close within so many seconds after sending means that the connection was idle for too long.
STALE_WITHIN: Final = 2.0

#: Seconds that :meth:`HttpTransport.close` waits for connections to end.
CLOSE_TIMEOUT: Final = 5.0


class _PendingRequest:
    """One request, until the end of its response.

    At its end it drops what refers to it, so that it is freed without the garbage collector.
    """

    def __init__(self, transport: HttpTransport, request: OutgoingRequest) -> None:
        self._transport = transport
        self._request: OutgoingRequest | None = request
        self._limits = request.timeouts
        self._timer = RequestTimer(transport.reactor, request.timeouts, self._expired)
        self._lease: RequestAgent | TwistedLease | None = None
        self._sending: Deferred[IResponse] | None = None
        self._incoming: IncomingResponse | None = None
        self._result: Deferred[IIncomingResponse] | None = None
        self._where = self._connecting_to = "the upstream"
        self._resends = MAX_RESENDS
        self._sent = 0.0

    def start(self) -> Deferred[IIncomingResponse]:
        """Send the request."""
        request = self._request
        assert request is not None
        try:
            authority = authority_of(request.url.encode("ascii"))
            self._where = authority.where
            result: Deferred[IIncomingResponse] = Deferred(self._cancel)
            self._result = result
            self._send(request, authority)
        except GatewayError as error:
            return fail(error)
        except ValueError:
            return fail(UnavailableError("the URL of an upstream is malformed"))
        return result

    def _send(self, request: OutgoingRequest, authority: Authority) -> None:
        """Send the request, for the first time or again.

        :raises GatewayError: if the proxy's URL is malformed.
        :raises ValueError: if the request is malformed.
        """
        transport = self._transport
        route = find_route(authority, request.proxy, transport.endpoints, transport.direct)
        self._connecting_to = route.where
        if route.is_proxied:
            self._where = f"{authority.where} (by {route.where})"
        client = transport.client
        self._lease = lease = client.lease(route, self._limits.connect)
        agent = IdentityAgent(lease.agent)
        headers = client.build_headers(request.headers, authority.host, route.authorization)
        producer = BodyProducer(request.body) if request.body else None
        self._sent = now = transport.seconds()
        sending = send(agent, request.method, request.url, headers, producer, transport.reactor)
        self._sending = sending
        if self not in transport.active:
            transport.active.add(self)
            self._timer.start(now)
        sending.addCallbacks(
            self._receive, self._failed, callbackArgs=(agent,), errbackArgs=(authority,)
        )

    def _receive(self, _: IResponse, agent: IdentityAgent) -> None:
        """Pass the response on; the one that treq has wrapped is slower."""
        assert self._lease is not None
        assert agent.response is not None
        self._timer.head_received()
        result = self._settle()
        self._incoming = incoming = IncomingResponse(
            agent.response,
            agent.content_encoding,
            reactor=self._transport.reactor,
            timer=self._timer,
            where=self._where,
            abort_connection=self._lease.abort_connection,
            on_end=self._end,
        )
        if result is not None:
            result.callback(incoming)

    def _failed(self, failure: Failure, authority: Authority) -> None:
        request, lease = self._request, self._lease
        if request is None or lease is None:
            return
        cause = cause_of(failure)
        if self._is_stale(cause, lease):
            self._resends -= 1
            self._send(request, authority)
            return
        result = self._settle()
        self._end()
        if result is None:
            return
        if was_cancelled(cause):
            result.errback(UnavailableError("the transport is closed"))
        else:
            where = self._where if lease.is_connected else self._connecting_to
            result.errback(error_before_response(cause, where))

    def _is_stale(self, cause: BaseException, lease: RequestAgent | TwistedLease) -> bool:
        """Return whether a pooled connection was closed by its idle timeout, not for the request.

        A server that has begun to process the request takes longer to close it.
        """
        if not self._resends or not lease.is_reused:
            return False
        return was_closed(cause) and self._transport.seconds() - self._sent < STALE_WITHIN

    def _expired(self, limit: Limit) -> None:
        self._stop(deadline_error(limit, getattr(self._limits, limit), self._where))

    def _settle(self) -> Deferred[IIncomingResponse] | None:
        """Release the request with its body; return the Deferred that waits for the response."""
        self._request = None
        result, self._result = self._result, None
        return result

    def _cancel(self, _: object) -> None:
        """Cancel the request and ignore its outcome."""
        sending = self._sending
        if self._request is not None:
            self._settle()
            self._end()
            if sending is not None:
                sending.cancel()

    def stop(self) -> None:
        """Fail the request or its response, because the transport closes."""
        self._stop(UnavailableError("the gateway is shutting down"))

    def _stop(self, error: GatewayError) -> None:
        if self._incoming is not None:
            self._incoming.fail(error)
        elif self._request is not None:
            result = self._result
            self._cancel(None)
            if result is not None:
                result.errback(error)

    def _end(self) -> None:
        self._timer.stop()
        self._incoming = self._lease = self._sending = None
        self._transport.active.discard(self)


@implementer(IHttpTransport)
class HttpTransport:
    """An HTTP client over one pool of persistent connections.

    :param policy: the TLS policy; ``None`` trusts the authorities that the platform trusts.
    :param endpoints: the factory of endpoints, ``None`` for direct ones without a check.
    :param http_client: which connections to use, see ``proxy.http_client``.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        policy: IPolicyForHTTPS | None = None,
        endpoints: IAgentEndpointFactory | None = None,
        persistent: bool = True,
        http_client: HttpClientName = "httptools",
    ) -> None:
        self.reactor: Any = reactor
        self.seconds: Callable[[], float] = reactor.seconds
        self.direct = DirectEndpoints(reactor, caching_policy(policy))
        self.endpoints = endpoints or self.direct
        self._persistent = persistent
        self._clients: dict[HttpClientName, Http1Client | TwistedClient] = {}
        self.client: Http1Client | TwistedClient
        self.use(http_client)
        self.active: set[_PendingRequest] = set()
        self._sockets: SocketPool | None = None
        self._closed = False

    def use(self, http_client: HttpClientName) -> None:
        """Send new requests with this HTTP client; those in progress are not affected."""
        if http_client not in self._clients:
            self._clients[http_client] = HTTP_CLIENTS[http_client](
                self.reactor,
                persistent=self._persistent,
                most=MAX_PERSISTENT,
                timeout=IDLE_TIMEOUT,
            )
        self.client = self._clients[http_client]

    def send(self, request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Return a Deferred that fires with the response when its headers have been received."""
        if self._closed:
            return fail(UnavailableError("the gateway is shutting down"))
        for name, value in request.headers:
            if authorizes(name):
                CREDENTIALS.sent(value)
        if request.socket is not None:
            return self._socket_pool().send(request)
        return _PendingRequest(self, request).start()

    def _socket_pool(self) -> SocketPool:
        """Return the pool of WebSocket connections."""
        if self._sockets is None:
            from antigravity.transport.websocket.pool import SocketPool

            def find(authority: Authority, proxy: str | None) -> Route:
                return find_route(authority, proxy, self.endpoints, self.direct, tunnel=True)

            self._sockets = SocketPool(self.reactor, find, self.send)
        return self._sockets

    def interrupt(self) -> None:
        """Fail all requests, current and future, because the gateway stops."""
        self._closed = True
        for request in tuple(self.active):
            request.stop()
        if self._sockets is not None:
            self._sockets.interrupt()

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when all connections are closed."""
        self.interrupt()
        closing: Deferred[Any] = DeferredList([each.close() for each in self._clients.values()])
        closing.addTimeout(CLOSE_TIMEOUT, self.reactor)
        turn: Deferred[None] = Deferred()  # aborted connections end in the next reactor turn
        self.reactor.callLater(0, turn.callback, None)
        both = DeferredList([closing, turn], consumeErrors=True)
        return both.addCallback(lambda _: None)
