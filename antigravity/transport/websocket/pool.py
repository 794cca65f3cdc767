"""The WebSocket connections to upstreams, and what is known of the upstreams."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.web.client import URI

from antigravity.interfaces.sockets import IUpstreamSession
from antigravity.interfaces.transport import IIncomingResponse, OutgoingRequest
from antigravity.ir.errors import GatewayError, UnavailableError
from antigravity.logs import make_logger
from antigravity.transport.authority import Authority, authority_of, split_url
from antigravity.transport.endpoints import BoundedEndpoint
from antigravity.transport.failures import cause_of, was_cancelled
from antigravity.transport.request_headers import encode_headers
from antigravity.transport.route import Route
from antigravity.transport.websocket.connection import SocketConnection
from antigravity.transport.websocket.handshake import ClientHandshake, HandshakeRefusedError
from antigravity.transport.websocket.request import SocketRequest

#: Connections in all, and for one account of a client's connection.
MAX_CONNECTIONS: Final = 512
MAX_PER_KEY: Final = 4
#: Seconds for which a server is not asked again that has refused to switch to WebSocket.
REFUSED_FOR: Final = 600.0
#: The same for a server that failed, or did not respond.
FAILED_FOR: Final = 60.0
#: Statuses of refusals that are about the account or the moment.
_OF_THE_MOMENT: Final = (401, 429)
#: Servers of which something is known.
_MOST_KNOWN: Final = 256
#: Seconds that a server has for the handshake, if connecting has no limit.
_HANDSHAKE: Final = 20.0


class _Factory(Factory):
    """The factory of one connection."""

    noisy = False

    def __init__(self, build: Callable[[], SocketConnection]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> SocketConnection:
        """Return the protocol."""
        return self._build()


class SocketPool:
    """The connections of all clients.

    Connections belong to a client's connection and an account: what a request continues, the
    upstream remembers only for the connection.

    :param find_route: returns the route to a server, by way of a proxy if there is one.
    :param send_over_http: sends a request over HTTP.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        find_route: Callable[[Authority, str | None], Route],
        send_over_http: Callable[[OutgoingRequest], Deferred[IIncomingResponse]],
    ) -> None:
        self.reactor = reactor
        self.send_over_http = send_over_http
        self.active: set[SocketRequest] = set()
        self._find_route = find_route
        self._connections: dict[Hashable, list[SocketConnection]] = {}
        self._connecting: dict[Hashable, int] = {}
        #: All connections that are not lost, also those that are about to close.
        self._open: set[SocketConnection] = set()
        self._watched: set[Hashable] = set()
        self._refused_until: OrderedDict[str, float] = OrderedDict()
        self._lanes: OrderedDict[str, bool] = OrderedDict()
        self._is_closed = False

    def send(self, request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Return a Deferred that fires with the response, once it has begun."""
        try:
            where = authority_of(request.url.encode("ascii")).where
        except ValueError:
            return fail(UnavailableError("the URL of an upstream is malformed"))
        return SocketRequest(self, request, where).start()

    # -- connections --------------------------------------------------------------------

    def find(self, request: OutgoingRequest) -> SocketConnection | None:
        """Return a connection that a request can be sent over now.

        It is one that remembers what the request continues, if there is such a one.
        """
        use = request.socket
        assert use is not None
        has_lanes = self.has_lanes(request) is True
        free = [
            each
            for each in self._connections.get(_key(request), ())
            if each.is_usable and each.session.is_free_for(use.turn, has_lanes=has_lanes)
        ]
        if not free:
            return None
        return next((each for each in free if each.session.can_continue(use.turn)), free[0])

    def connect(self, request: OutgoingRequest) -> Deferred[SocketConnection | None]:
        """Return a Deferred that fires with a new connection.

        It fires with ``None`` if the request must be sent over HTTP: the server does not speak
        WebSocket, or there are too many connections.  It fails if the server cannot be reached.
        """
        key = _key(request)
        if self._is_closed:
            return fail(UnavailableError("the gateway is shutting down"))
        if self._is_refused(request.url) or not self._has_room(key):
            return succeed(None)
        try:
            connecting = self._connect(request, key)
        except GatewayError as error:
            return fail(error)
        except ValueError:
            return fail(UnavailableError("a header for an upstream is malformed"))
        self._connecting[key] = self._connecting.get(key, 0) + 1
        connecting.addBoth(self._connected, key, request)
        return connecting

    def _connect(self, request: OutgoingRequest, key: Hashable) -> Deferred[Any]:
        """Return a Deferred that fires with a new connection after its handshake.

        :raises ValueError: if a part of the handshake cannot be sent.
        :raises GatewayError: if the URL of the proxy is malformed.
        """
        use, limits = request.socket, request.timeouts
        assert use is not None
        url = request.url.encode("ascii")
        authority = authority_of(url)
        beginning, target = split_url(url)
        headers = encode_headers(request.headers, authority.host, "")
        route = self._find_route(authority, request.proxy)
        handshake = ClientHandshake(target, headers, compressed=authority.secure)
        session: IUpstreamSession = use.make_session()
        remove = partial(self._remove, key)

        def build() -> SocketConnection:
            connection = SocketConnection(
                self.reactor, session, authority.where, remove, self._open.discard
            )
            self._open.add(connection)
            return connection

        endpoint = BoundedEndpoint(
            route.endpoints.endpointForURI(URI.fromBytes(beginning)),
            self.reactor,
            limits.connect,
            route.where,
        )
        connecting: Deferred[Any] = endpoint.connect(_Factory(build))
        limit = limits.connect or _HANDSHAKE
        return connecting.addCallback(lambda connection: connection.open(handshake, limit))

    def _connected(
        self, result: SocketConnection | Failure, key: Hashable, request: OutgoingRequest
    ) -> SocketConnection | Failure | None:
        self._connecting[key] -= 1
        if not self._connecting[key]:
            del self._connecting[key]
        if isinstance(result, Failure):
            return self._not_connected(result, request)
        if self._is_closed:
            result.abort()
            raise UnavailableError("the gateway is shutting down")
        self._connections.setdefault(key, []).append(result)
        self._watch(key, request)
        if not result.is_usable:  # the client, or the server, went away meanwhile
            return None
        return result

    def _not_connected(self, failure: Failure, request: OutgoingRequest) -> Failure | None:
        """Return the failure if HTTP would fail in the same way, ``None`` if it may not."""
        cause = cause_of(failure)
        if isinstance(cause, HandshakeRefusedError):
            self._refuse(request.url, cause.status)
            self.log.info(
                "{where} is not served over WebSocket: {reason}; using HTTP",
                where=authority_of(request.url.encode("ascii")).where,
                reason=str(cause),
            )
            return None
        if request.proxy is None or was_cancelled(cause):
            return failure
        self._refuse(request.url, 0)  # the proxy may not pass on everything
        return None

    def _refuse(self, url: str, status: int) -> None:
        """Remember that a server does not agree to WebSocket."""
        if status in _OF_THE_MOMENT:
            return
        seconds = FAILED_FOR if not status or status >= 500 else REFUSED_FOR
        self._refused_until[url] = self.reactor.seconds() + seconds

    def _is_refused(self, url: str) -> bool:
        while len(self._refused_until) > _MOST_KNOWN:
            self._refused_until.popitem(last=False)
        until = self._refused_until.get(url)
        if until is None:
            return False
        if until > self.reactor.seconds():
            return True
        del self._refused_until[url]
        return False

    def _has_room(self, key: Hashable) -> bool:
        """Return whether there may be another connection; close an idle one for it."""
        count = self._connecting.get(key, 0)
        if len(self._connections.get(key, ())) + count >= MAX_PER_KEY:
            return False
        in_all = sum(map(len, self._connections.values())) + sum(self._connecting.values())
        if in_all < MAX_CONNECTIONS:
            return True
        for connections in self._connections.values():
            for each in connections:
                if not each.session.in_flight:
                    each.close()
                    return True
        return False

    def _watch(self, key: Hashable, request: OutgoingRequest) -> None:
        """Close the connections of a client with the client's own."""
        if key not in self._watched:
            assert request.socket is not None
            self._watched.add(key)
            request.socket.turn.owner.when_lost(partial(self._close_all, key))

    def _close_all(self, key: Hashable) -> None:
        self._watched.discard(key)
        for each in list(self._connections.get(key, ())):
            each.close()

    def _remove(self, key: Hashable, connection: SocketConnection) -> None:
        """Forget a connection that takes no more requests."""
        connections = self._connections.get(key, [])
        if connection in connections:
            connections.remove(connection)
        if not connections:
            self._connections.pop(key, None)

    # -- lanes --------------------------------------------------------------------------

    def has_lanes(self, request: OutgoingRequest) -> bool | None:
        """Return whether the upstream has lanes, ``None`` if that is not known."""
        return self._lanes.get(request.url)

    def note_lanes(self, request: OutgoingRequest, *, has_lanes: bool) -> None:
        """Remember whether the upstream has lanes."""
        self._lanes[request.url] = has_lanes
        while len(self._lanes) > _MOST_KNOWN:
            self._lanes.popitem(last=False)

    # -- the end ------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Fail all requests, current and future, and close all connections."""
        self._is_closed = True
        for request in tuple(self.active):
            request.stop()
        for connection in tuple(self._open):
            connection.abort()


def _key(request: OutgoingRequest) -> Hashable:
    """Return what connections have in common; the headers have the credential."""
    assert request.socket is not None
    return request.url, request.proxy, request.headers, request.socket.key
