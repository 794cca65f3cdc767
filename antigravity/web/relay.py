"""Passes connections from a worker to the main process, over a Unix socket.

What exists once, such as the dashboard, is in the main process.  A worker that receives a request
for it passes the connection on as bytes: a line about the client, the head of the request, and
what follows, in both directions.  The main process admits and serves the request like any other.
The head gets ``Connection: close``, so that the next request of the client finds any worker.
"""


# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.logs import make_logger
from antigravity.web.connection.connection import ClientConnection
from antigravity.web.connection.head_parser import HeadReader, ParsedHead
from antigravity.web.connection.request import GatewayRequest
from antigravity.web.connection.successor import ISuccessor
from antigravity.web.site import GatewaySite

#: The most bytes of the line about a client.
_MAX_LINE: Final = 1024
#: How many headers a worker adds to a head: that of :func:`encode_head`, and those of
#: :func:`.connection.proxy_protocol.add_client`.
_ADDED: Final = 3


class Origin(Struct, frozen=True):
    """What the main process must know of a client: its address, and whether it uses TLS."""

    peer: str | None
    is_secure: bool


_ORIGIN: Final = msgspec.json.Decoder(Origin)


# In a worker


class Relay:
    """The connections of a worker that were passed to the main process.

    :param path: the socket of the main process.
    """

    log = make_logger()

    def __init__(self, reactor: Any, path: Path) -> None:
        self._reactor = reactor
        self._endpoint = UNIXClientEndpoint(reactor, str(path))
        self.connections: set[_Pipe] = set()
        self._empty: Deferred[None] | None = None

    def serve(self, site: GatewaySite) -> None:
        """Pass on what comes to ``site`` and is not served by all processes."""
        site.make_connection = lambda each: RelayingConnection(each, self)

    def pass_on(self, connection: ClientConnection, parsed: ParsedHead) -> None:
        """Pass on a connection from a request on, whose head is given."""
        origin = Origin(connection.peer, connection.isSecure())
        line = msgspec.json.encode(origin) + b"\n"
        connection.hand_over(_Pipe(self, line + encode_head(parsed)))

    def connect(self, pipe: _Pipe) -> Deferred[Any]:
        """Return a Deferred with a connection to the main process."""
        self.connections.add(pipe)
        connected: Deferred[Any] = self._endpoint.connect(_FarFactory(pipe))
        return connected

    def remove(self, pipe: _Pipe) -> None:
        """Forget a connection that has ended."""
        self.connections.discard(pipe)
        empty = self._empty
        if empty is not None and not self.connections:
            self._empty = None
            empty.callback(None)

    def finish(self, seconds: float) -> Deferred[None]:
        """Return a Deferred that fires when all have ended; after ``seconds`` they are closed."""
        if not self.connections:
            return succeed(None)
        empty: Deferred[None] = Deferred()
        self._empty = empty
        timer = self._reactor.callLater(seconds, self._close_all)
        return empty.addBoth(lambda _: timer.cancel() if timer.active() else None)

    def _close_all(self) -> None:
        for pipe in list(self.connections):
            pipe.close_now()


class RelayingConnection(ClientConnection):
    """A client's connection in a worker."""

    def __init__(self, site: GatewaySite, relay: Relay) -> None:
        super().__init__(site)
        self._relay = relay

    def _begin(self, request: GatewayRequest, rest: bytes) -> None:
        if self.site.resource.is_served_by_all(request.head):
            super()._begin(request, rest)
            return
        if rest:
            self._waiting.add(rest)
        self._relay.pass_on(self, request._parsed)


@implementer(ISuccessor)
class _Pipe(Protocol):
    """A client's connection that was passed on; ``head`` is written first."""

    transport: Any

    def __init__(self, relay: Relay, head: bytes) -> None:
        self._relay = relay
        self._far: Any = None
        self._waiting = [head]
        self._is_closed = False

    def connectionMade(self) -> None:
        """Connect to the main process."""
        self.transport.pauseProducing()
        self._relay.connect(self).addErrback(self._not_connected)

    def pass_to(self, far: Any) -> None:
        """Pass bytes on in both directions, each at the pace of the receiver."""
        if self._is_closed:
            far.loseConnection()
            return
        self._far = far
        far.registerProducer(self.transport, True)
        self.transport.registerProducer(far, True)
        far.writeSequence(self._waiting)
        self._waiting = []
        self.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes of the client on."""
        if self._far is None:
            self._waiting.append(data)
        else:
            self._far.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Close the other connection, too."""
        self._is_closed = True
        far, self._far = self._far, None
        if far is not None:
            far.loseConnection()
        self._relay.remove(self)

    def disconnected(self) -> None:
        """Close the connection of the client: the main process has closed the other one."""
        self._far = None
        if not self._is_closed:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def _not_connected(self, failure: Failure) -> None:
        self._relay.log.warn("the main process cannot be reached: {e}", e=str(failure.value))
        if not self._is_closed:
            self.transport.resumeProducing()
            self.transport.loseConnection()

    # What the shutdown of the site asks

    def close_if_idle(self) -> None:
        """Go on: nobody knows here whether something is running."""

    def cancel_unstarted(self) -> None:
        """Go on."""

    def close_now(self) -> None:
        """Close both connections."""
        if not self._is_closed:
            self.transport.abortConnection()


class _FarSide(Protocol):
    """The connection of a pipe to the main process."""

    transport: Any

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe

    def connectionMade(self) -> None:
        """Begin to pass on."""
        self._pipe.pass_to(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes of the response on."""
        self._pipe.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Close the client's connection, once it has all."""
        self._pipe.disconnected()


class _FarFactory(Factory):
    noisy = False

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe

    def buildProtocol(self, address: object) -> _FarSide:
        return _FarSide(self._pipe)


def encode_head(parsed: ParsedHead) -> bytes:
    """Return the head of a request again, with the wish that its connection is closed."""
    lines = [f"{parsed.method} {parsed.target} {parsed.version}"]
    lines += [f"{name}:{value}" for name, value in parsed.fields]
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


# In the main process


class RelayedFactory(Factory):
    """Accepts the connections that workers pass on, and gives them to ``site``.

    :param prepare: its Deferred fires when a request may be served: workers have reported.
    """

    noisy = False

    def __init__(self, site: GatewaySite, prepare: Callable[[], Deferred[Any]]) -> None:
        self.site = site
        self.prepare = prepare

    def buildProtocol(self, address: object) -> _Relayed:
        """Return what reads the line about the client."""
        return _Relayed(self)


class _Relayed(Protocol):
    """A connection from a worker: a line about the client, and then what the client sends."""

    transport: Any

    def __init__(self, factory: RelayedFactory) -> None:
        self._factory = factory
        self._received = b""
        self._connection: ClientConnection | None = None
        self._is_closed = False

    def dataReceived(self, data: bytes) -> None:
        """Read the line, and give the rest to a connection of the site."""
        if self._connection is not None:
            self._connection.dataReceived(data)
            return
        self._received += data
        line, end, _ = self._received.partition(b"\n")
        if end:
            self.transport.pauseProducing()
            self._factory.prepare().addBoth(lambda _: self._begin(line))
        elif len(line) > _MAX_LINE:
            self.transport.abortConnection()

    def _begin(self, line: bytes) -> None:
        if self._is_closed:
            return
        try:
            origin = _ORIGIN.decode(line)
        except msgspec.DecodeError:
            self.transport.abortConnection()
            return
        rest, self._received = self._received[len(line) + 1 :], b""
        self._connection = connection = RelayedConnection(self._factory.site, origin)
        self.transport.resumeProducing()
        connection.makeConnection(self.transport)
        if rest:
            connection.dataReceived(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Pass the end on."""
        self._is_closed = True
        if self._connection is not None:
            self._connection.connectionLost(reason)


class RelayedConnection(ClientConnection):
    """A client's connection that a worker has passed on."""

    def __init__(self, site: GatewaySite, origin: Origin) -> None:
        super().__init__(site)
        self._reader = HeadReader(_ADDED)
        self._origin = origin

    def connectionMade(self) -> None:
        """Wait for the request, of the client and not of the worker."""
        super().connectionMade()
        self.peer, self._is_secure = self._origin.peer, self._origin.is_secure
