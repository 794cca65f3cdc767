"""A reactor and TCP connections in memory, for the gateway without a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConnector, ITCPTransport
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import implementer

#: The most bytes that a protocol receives at once, as from a socket.
_READ_SIZE = 65536
_ADDRESS = IPv4Address("TCP", "127.0.0.1", 80)

Receive = Callable[[bytes], None]


@implementer(ITCPTransport)
class MemoryTransport:
    """The transport of a protocol; what it writes goes to ``receive`` in the next turn."""

    disconnecting = False
    disconnected = False
    connected = True

    def __init__(self, reactor: MemoryReactor, protocol: Any, receive: Receive) -> None:
        self.protocol = protocol
        self._reactor = reactor
        self._receive = receive
        self._written: list[bytes] = []
        self._incoming: deque[bytes] = deque()
        self._is_paused = False
        self._producer: Any = None

    def send(self, data: bytes) -> None:
        """Send bytes to the protocol, in pieces as a socket would, one in each turn."""
        for start in range(0, len(data), _READ_SIZE):
            self._incoming.append(data[start : start + _READ_SIZE])
        self._reactor.ready.append(self)

    def turn(self) -> None:
        """Move what was written and one piece of what was sent."""
        if self._written:
            data, self._written = b"".join(self._written), []
            self._receive(data)
        if self._incoming and not self._is_paused and not self.disconnected:
            self.protocol.dataReceived(self._incoming.popleft())
            if self._incoming:
                self._reactor.ready.append(self)
        if self.disconnecting and not self.disconnected:
            self._lose()

    def _lose(self) -> None:
        self.disconnected, self.connected = True, False
        self.protocol.connectionLost(Failure(ConnectionDone()))

    # From here on these are Twisted's names.
    def write(self, data: bytes) -> None:
        """Write bytes."""
        if not self.disconnected:
            if not self._written:
                self._reactor.ready.append(self)
            self._written.append(data)

    def writeSequence(self, data: Any) -> None:  # noqa: N802
        """Write pieces of bytes."""
        self.write(b"".join(data))

    def pauseProducing(self) -> None:
        """Pause what the protocol receives."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """Continue after a pause."""
        self._is_paused = False
        if self._incoming:
            self._reactor.ready.append(self)

    def stopProducing(self) -> None:
        """Close the connection."""
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Remember the producer; all is written at once, so it is never paused."""
        assert streaming
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def loseConnection(self, *_: object) -> None:  # noqa: N802
        """Close the connection after what is written."""
        self.disconnecting = True
        self._reactor.ready.append(self)

    abortConnection = loseConnection  # noqa: N815
    loseWriteConnection = loseConnection  # noqa: N815

    def getPeer(self) -> IPv4Address:  # noqa: N802
        """Return the address of the other side."""
        return _ADDRESS

    def getHost(self) -> IPv4Address:  # noqa: N802
        """Return the address of this side."""
        return _ADDRESS

    def getTcpNoDelay(self) -> bool:  # noqa: N802
        """Return whether small writes are sent at once."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Ignore an option of sockets."""

    def getTcpKeepAlive(self) -> bool:  # noqa: N802
        """Return whether idle connections are probed."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        """Ignore an option of sockets."""


class _ThreadPool:
    """Runs functions of threads at once."""

    def callInThreadWithCallback(  # noqa: N802
        self, done: Any, function: Any, *arguments: Any, **named: Any
    ) -> None:
        try:
            result = function(*arguments, **named)
        except Exception:  # noqa: BLE001 - as a thread pool does
            done(False, Failure())
        else:
            done(True, result)


@implementer(IConnector)
class _Connector:
    """The connector of a connection that is made at once."""

    def stopConnecting(self) -> None:  # noqa: N802
        """Do nothing."""

    disconnect = connect = stopConnecting

    def getDestination(self) -> IPv4Address:  # noqa: N802
        """Return the address."""
        return _ADDRESS


class MemoryReactor(MemoryReactorClock):
    """A reactor whose connections are in memory.

    :ivar serve: returns the function that receives what a client of the gateway's side sends; it
        gets the transport to send the response to.
    :ivar ready: the transports that have something to move.
    """

    def __init__(self, serve: Callable[[MemoryTransport], Receive]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ready: deque[MemoryTransport] = deque()
        self._serve = serve

    def connectTCP(  # noqa: N802
        self, host: str, port: int, factory: Any, *_: object, **__: object
    ) -> _Connector:
        """Connect to the fake provider."""
        connector = _Connector()
        self.callLater(0, self._connect, factory, connector)
        return connector

    def _connect(self, factory: Any, connector: _Connector) -> None:
        factory.doStart()
        factory.startedConnecting(connector)
        protocol = factory.buildProtocol(_ADDRESS)
        transport = MemoryTransport(self, protocol, lambda data: receive(data))
        receive = self._serve(transport)
        protocol.makeConnection(transport)

    def accept(self, receive: Receive) -> MemoryTransport:
        """Return the transport of a new connection to the listening factory."""
        factory: Any = self.tcpServers[-1][1]
        protocol = factory.buildProtocol(_ADDRESS)
        transport = MemoryTransport(self, protocol, receive)
        protocol.makeConnection(transport)
        return transport

    def turn(self, seconds: float = 0) -> None:
        """Run one turn: all due calls, and all transports that are ready."""
        self.advance(seconds)
        for _ in range(len(self.ready)):
            self.ready.popleft().turn()

    def is_idle(self) -> bool:
        """Return whether nothing is due now."""
        calls = self.getDelayedCalls()
        return not self.ready and not any(call.getTime() <= self.seconds() for call in calls)

    def getThreadPool(self) -> _ThreadPool:  # noqa: N802
        """Return the pool for functions that would block."""
        return _ThreadPool()

    def callFromThread(self, function: Any, *arguments: Any, **named: Any) -> None:  # noqa: N802
        """Call a function in the next turn."""
        self.callLater(0, function, *arguments, **named)
