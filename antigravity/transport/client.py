"""The HTTP client: treq over one pool of connections, with a limit for every wait.

Redirects are not followed, because they would carry a credential to another address.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.interfaces import IDelayedCall
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
from antigravity.transport.deadlines import deadline_error
from antigravity.transport.endpoints import DirectEndpoints, caching_policy
from antigravity.transport.failures import (
    cause_of,
    error_before_response,
    was_cancelled,
    was_closed,
)
from antigravity.transport.http1.agent import RequestAgent
from antigravity.transport.http1.client import Http1Client
from antigravity.transport.response import IncomingResponse
from antigravity.transport.route import Route, find_route
from antigravity.transport.treq_client import IdentityAgent, send
from antigravity.transport.twisted_client import TwistedClient, TwistedLease

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
    """One request, until the end of its response."""

    def __init__(self, transport: HttpTransport, request: OutgoingRequest) -> None:
        self._transport = transport
        self._reactor = transport.reactor
        self._request = request
        self._limits = request.timeouts
        self._timers: dict[str, IDelayedCall] = {}
        self._lease: RequestAgent | TwistedLease | None = None
        self._sending: Deferred[IResponse] | None = None
        self._incoming: IncomingResponse | None = None
        self._where = self._connecting_to = "the upstream"
        self._settled = False
        self._resends = MAX_RESENDS
        self._sent = 0.0
        self.result: Deferred[IIncomingResponse] = Deferred(lambda _: self._give_up())

    def start(self) -> Deferred[IIncomingResponse]:
        """Send the request."""
        result = self.result
        try:
            authority = authority_of(self._request.url.encode("ascii"))
            self._where = authority.where
            self._send(authority)
        except GatewayError as error:
            return fail(error)
        except ValueError:
            return fail(UnavailableError("the URL of an upstream is malformed"))
        return result

    def _send(self, authority: Authority) -> None:
        """Send the request, for the first time or again.

        :raises GatewayError: if the proxy's URL is malformed.
        :raises ValueError: if the request is malformed.
        """
        request = self._request
        transport = self._transport
        route = find_route(authority, request.proxy, transport.endpoints, transport.direct)
        self._connecting_to = route.where
        if route.is_proxied:
            self._where = f"{authority.where} (by {route.where})"
        client = transport.client
        self._lease = lease = client.lease(route, self._limits.connect)
        agent = IdentityAgent(lease.agent)
        headers = client.build_headers(_encode_headers(request.headers, authority, route))
        producer = BodyProducer(request.body) if request.body else None
        self._sent = self._reactor.seconds()
        self._sending = sending = send(
            agent, request.method, request.url, headers, producer, self._reactor
        )
        self._start_timers()
        sending.addCallbacks(
            self._receive, self._failed, callbackArgs=(agent,), errbackArgs=(authority,)
        )

    def _start_timers(self) -> None:
        """Start the time limits, once."""
        if self in self._transport.active:
            return
        self._transport.active.add(self)
        for limit in ("first_byte", "total"):
            seconds = getattr(self._limits, limit)
            if seconds:
                self._timers[limit] = self._reactor.callLater(seconds, self._expired, limit)

    def _receive(self, response: IResponse, agent: IdentityAgent) -> None:
        assert self._lease is not None
        self._cancel_timer("first_byte")
        self._settle()
        self._incoming = incoming = IncomingResponse(
            response,
            agent.content_encoding,
            reactor=self._reactor,
            idle=self._limits.idle,
            where=self._where,
            abort_connection=self._lease.abort_connection,
            on_end=self._end,
        )
        self.result.callback(incoming)

    def _failed(self, failure: Failure, authority: Authority) -> None:
        if self._settled:
            return
        if self._is_stale(cause_of(failure)):
            self._resends -= 1
            self._send(authority)
            return
        self._settle()
        self._end()
        if was_cancelled(cause_of(failure)):
            self.result.errback(UnavailableError("the transport is closed"))
        else:
            lease = self._lease
            connected = lease is None or lease.is_connected
            where = self._where if connected else self._connecting_to
            self.result.errback(error_before_response(cause_of(failure), where))

    def _is_stale(self, cause: BaseException) -> bool:
        """Return whether a pooled connection was closed by its idle timeout, not for the request.

        A server that has begun to process the request takes longer to close it.
        """
        if not self._resends or self._lease is None or not self._lease.is_reused:
            return False
        return was_closed(cause) and self._reactor.seconds() - self._sent < STALE_WITHIN

    def _expired(self, limit: Any) -> None:
        self._timers.pop(limit, None)
        error = deadline_error(limit, getattr(self._limits, limit), self._where)
        if self._incoming is not None:
            self._incoming.fail(error)
        else:
            self._give_up()
            self.result.errback(error)

    def _settle(self) -> None:
        """Mark the request as done, and release its body, since cycles can delay collection."""
        self._settled = True
        self._request = replace(self._request, body=b"")

    def _give_up(self) -> None:
        """Cancel the request and ignore its outcome."""
        if not self._settled:
            self._settle()
            self._end()
            if self._sending is not None:
                self._sending.cancel()

    def stop(self) -> None:
        """Fail the request or its response, because the transport closes."""
        error = UnavailableError("the gateway is shutting down")
        if self._incoming is not None:
            self._incoming.fail(error)
        elif not self._settled:
            self._give_up()
            self.result.errback(error)

    def _end(self) -> None:
        for limit in tuple(self._timers):
            self._cancel_timer(limit)
        self._transport.active.discard(self)

    def _cancel_timer(self, limit: str) -> None:
        timer = self._timers.pop(limit, None)
        if timer is not None:
            timer.cancel()


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
        self.direct = DirectEndpoints(reactor, caching_policy(policy))
        self.endpoints = endpoints or self.direct
        self._persistent = persistent
        self._clients: dict[HttpClientName, Http1Client | TwistedClient] = {}
        self.client: Http1Client | TwistedClient
        self.use(http_client)
        self.active: set[_PendingRequest] = set()
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
        return _PendingRequest(self, request).start()

    def interrupt(self) -> None:
        """Fail all requests, current and future, because the gateway stops."""
        self._closed = True
        for request in tuple(self.active):
            request.stop()

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when all connections are closed."""
        self.interrupt()
        closing: Deferred[Any] = DeferredList([each.close() for each in self._clients.values()])
        closing.addTimeout(CLOSE_TIMEOUT, self.reactor)
        turn: Deferred[None] = Deferred()  # aborted connections end in the next reactor turn
        self.reactor.callLater(0, turn.callback, None)
        both = DeferredList([closing, turn], consumeErrors=True)
        return both.addCallback(lambda _: None)


@lru_cache(maxsize=512)
def _encode_name(name: str) -> bytes:
    return name.lower().encode("ascii")


def _encode_headers(
    pairs: tuple[tuple[str, str], ...], authority: Authority, route: Route
) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request, with ``Host``, which ``Agent`` would add to a copy.

    :raises ValueError: if a name is not ASCII.
    """
    encoded = [(_encode_name(name), value.encode()) for name, value in pairs]
    if route.authorization:
        encoded.append((b"proxy-authorization", route.authorization.encode()))
    if not any(name == b"host" for name, _ in encoded):
        encoded.insert(0, (b"host", authority.host))
    return encoded
