"""A scripted HTTP peer on loopback, for faults that no well-behaved server makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

reactor: Any = default_reactor


class Received:
    """One request as it came."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.lines = head.decode("latin-1").split("\r\n")
        self.first = self.lines[0]
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in self.lines[1:])
        }
        self.body = body


class Peer(Protocol):
    """One connection; ``lost`` fires when it is gone."""

    def __init__(self, script: FakeUpstream) -> None:
        self.script = script
        self.buffer = b""
        self.lost: Deferred[None] = Deferred()
        self.gone = False

    def connectionMade(self) -> None:
        self.script.peers.append(self)

    def dataReceived(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            received = Received(head, b"")
            length = int(received.headers.get("content-length", "0"))
            if len(rest) < length:
                return
            received.body, self.buffer = rest[:length], rest[length:]
            self.script.requests.append(received)
            self.script.answer(self, received)

    def connectionLost(self, reason: Any = None) -> None:
        self.gone = True
        self.lost.callback(None)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def close(self) -> None:
        self.transport.loseConnection()


class FakeUpstream(Factory):
    """What a peer does with a request."""

    noisy = False

    def __init__(self, answer: Callable[[Peer, Received], None]) -> None:
        self.answer = answer
        self.peers: list[Peer] = []
        self.requests: list[Received] = []

    def buildProtocol(self, addr: Any) -> Peer:
        return Peer(self)


def ok(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def listen(case: Any, factory: Factory, context: Any = None) -> int:
    """Listen on loopback until the test is over; return the port."""
    if context is None:
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    else:
        port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
    case.addCleanup(port.stopListening)

    def drop() -> Any:
        for peer in getattr(factory, "peers", ()):
            if not peer.gone:
                peer.transport.abortConnection()
        return deferLater(reactor, 0.01)

    case.addCleanup(drop)
    return port.getHost().port


def pause(seconds: float) -> Deferred[None]:
    return deferLater(reactor, seconds)
