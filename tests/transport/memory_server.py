"""A transport over a reactor in memory, and the other side of its connections."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from antigravity.config.settings import HttpClientName
from antigravity.interfaces.transport import OutgoingRequest, Timeouts
from antigravity.transport.client import HttpTransport

USUAL = Timeouts(20, 300, 300, 0)


@implementer(IAgentEndpointFactory)
class ToAnAddress:
    """Endpoints for one address."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor

    def endpointForURI(self, uri: Any) -> TCP4ClientEndpoint:
        return TCP4ClientEndpoint(self.reactor, "192.0.2.1", 80, timeout=1000)


class CollectingReader(Protocol):
    """Keeps what it reads."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.reason: Any = None

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason.value


class Wire(StringTransport):
    """The transport of one connection; keeps each write.

    ``full`` pauses the producer of a body after each write.
    """

    def __init__(self, full: bool) -> None:
        super().__init__()
        self.full = full
        self.writes: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))
        super().write(bytes(data))
        if self.full and self.producer is not None:
            self.producer.pauseProducing()

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True


class MemoryServer:
    """The servers of all requests that a transport sends."""

    def __init__(self, http_client: HttpClientName = "httptools", **options: Any) -> None:
        self.reactor = MemoryReactorClock()  # type: ignore[no-untyped-call]
        self.transport = HttpTransport(
            self.reactor,
            endpoints=ToAnAddress(self.reactor),
            http_client=http_client,
            **options,
        )
        self.connections: list[tuple[Any, Wire]] = []
        #: Whether the next connections take only one write.
        self.full = False

    def send(self, body: bytes = b"{}", limits: Timeouts = USUAL, **options: Any) -> Deferred[Any]:
        """Send a request; connect, if it needs a connection."""
        request = OutgoingRequest(
            options.pop("method", "POST"),
            options.pop("url", "http://h/p"),
            options.pop("headers", ()),
            body,
            limits,
        )
        before = len(self.reactor.tcpClients)
        sending = self.transport.send(request)
        if len(self.reactor.tcpClients) > before:
            protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
            wire = Wire(self.full)
            self.connections.append((protocol, wire))
            protocol.makeConnection(wire)
        return sending

    def receive(self, *pieces: bytes, connection: int = -1) -> None:
        """Let a connection receive ``pieces``."""
        for piece in pieces:
            self.connections[connection][0].dataReceived(piece)

    def lose(self, connection: int = -1, *, clean: bool = True) -> None:
        """End a connection."""
        reason = ConnectionDone() if clean else ConnectionLost()
        self.connections[connection][0].connectionLost(Failure(reason))

    @property
    def wire(self) -> Wire:
        """The newest connection's transport."""
        return self.connections[-1][1]
