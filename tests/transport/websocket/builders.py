"""A transport whose connections lead to servers in memory, by the library websockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from websockets.frames import Close, Frame, Opcode
from websockets.server import ServerProtocol

from antigravity.interfaces.transport import OutgoingRequest, SocketUse, Timeouts
from antigravity.ir.socket_turn import SocketTurn
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_CLIENT
from antigravity.transport.client import HttpTransport
from tests.transport.memory_server import MemoryServer, ToAnAddress, Wire

KEY = "sk-secret-0123456789"
HEADERS = (
    ("user-agent", "antigravity"),
    ("accept", "text/event-stream"),
    ("content-type", "application/json"),
    ("authorization", f"Bearer {KEY}"),
)
ADDRESS = IPv4Address("TCP", "192.0.2.1", 80)
LIMITS = Timeouts(20, 300, 300, 0)


class Owner:
    """The connection of a client."""

    def __init__(self, name: str = "c1") -> None:
        self.id = name
        self.calls: list[Callable[[], None]] = []

    def when_lost(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def lose(self) -> None:
        for call in self.calls:
            call()


class SocketWire(Wire):
    """The transport of a connection; notes whether it is read from."""

    is_reading = True

    def pauseProducing(self) -> None:
        self.is_reading = False

    def resumeProducing(self) -> None:
        self.is_reading = True


class Peer:
    """The server of one connection."""

    def __init__(self, protocol: Any, wire: SocketWire) -> None:
        self.protocol = protocol
        self.wire = wire
        self.server = ServerProtocol(max_size=None)
        self.messages: list[Any] = []
        self.frames: list[Frame] = []
        self.is_lost = False

    @property
    def head(self) -> bytes:
        """The request of the handshake."""
        return self.wire.value()

    def receive(self) -> None:
        """Read what the gateway has written."""
        data = self.wire.value()
        self.wire.clear()
        self.server.receive_data(data)
        text = b""
        for each in self.server.events_received():
            if not isinstance(each, Frame):
                continue
            self.frames.append(each)
            if each.opcode in (Opcode.TEXT, Opcode.CONT):
                text += bytes(each.data)
                if each.fin:
                    self.messages.append(json.loads(text))
                    text = b""

    def accept(self, *messages: Any) -> None:
        """Agree to the handshake, with messages in the same packet."""
        self.server.receive_data(self.head)
        self.wire.clear()
        (request,) = self.server.events_received()
        self.server.send_response(self.server.accept(request))
        self.send(*messages)

    def send(self, *messages: Any) -> None:
        """Send messages."""
        for each in messages:
            self.server.send_text(each if isinstance(each, bytes) else json.dumps(each).encode())
        self.flush()

    def flush(self) -> None:
        """Deliver what the server has written."""
        data = b"".join(self.server.data_to_send())
        if data and not self.is_lost:
            self.protocol.dataReceived(data)

    def lose(self) -> None:
        """End the connection."""
        if not self.is_lost:
            self.is_lost = True
            self.protocol.connectionLost(Failure(ConnectionDone()))

    def close_code(self) -> int:
        """Return the code with which the gateway has closed the connection."""
        self.receive()
        (frame,) = [each for each in self.frames if each.opcode is Opcode.CLOSE]
        return Close.parse(bytes(frame.data)).code


class Reader(Protocol):
    """Reads a response."""

    def __init__(self) -> None:
        self.data = b""
        self.reason: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason.value

    @property
    def kinds(self) -> list[str]:
        """The names of the events."""
        return [line[7:] for line in self.data.decode().split("\n") if line.startswith("event: ")]


class SocketServers(MemoryServer):
    """The servers of all connections of a transport."""

    def __init__(self) -> None:
        super().__init__()
        self.transport = HttpTransport(self.reactor, endpoints=ToAnAddress(self.reactor))
        self.peers: list[Peer] = []
        self.owner = Owner()
        self.sendings: list[Deferred[Any]] = []

    def request(
        self,
        body: bytes = b'{"model":"m","input":"hi","stream":true}',
        *,
        lane: str | None = None,
        limits: Timeouts = LIMITS,
        account: str = "a1",
        owner: Owner | None = None,
        proxy: str | None = None,
        previous_id: str | None = None,
        continuation: bytes = b"",
        generates: bool = True,
    ) -> OutgoingRequest:
        """Return a request of a client's connection."""
        sender = owner or self.owner
        turn = SocketTurn(sender, lane, generates, previous_id, continuation)
        make_session = OPENAI_RESPONSES_CLIENT.socket_session
        assert make_session is not None
        use = SocketUse(f"{sender.id} {account}", turn, continuation, make_session)
        return OutgoingRequest(
            "POST", "http://h.example/v1/responses?x=1", HEADERS, body, limits, proxy, use
        )

    def ask(self, request: OutgoingRequest | None = None, **options: Any) -> Deferred[Any]:
        """Send a request, and connect if it needs a connection."""
        sending = self.transport.send(request or self.request(**options))
        self.sendings.append(sending)
        self.connect()
        return sending

    def connect(self) -> None:
        """Establish the connections that are waited for."""
        clients = self.reactor.tcpClients
        while len(self.peers) < len(clients):
            protocol = clients[len(self.peers)][2].buildProtocol(ADDRESS)
            wire = SocketWire(False)
            peer = Peer(protocol, wire)
            self.peers.append(peer)
            protocol.makeConnection(wire)

    @property
    def peer(self) -> Peer:
        """The newest connection."""
        return self.peers[-1]

    def read(self, sending: Deferred[Any], reader: Reader | None = None) -> Reader:
        """Read the response that has begun."""
        found: list[Any] = []
        sending.addCallback(found.append)
        (response,) = found
        reader = reader or Reader()
        response.deliver(reader)
        return reader

    def close(self) -> None:
        """Close everything, and check that nothing is left."""
        closed: list[Any] = []
        self.transport.close().addCallback(closed.append)
        for peer in self.peers:
            peer.lose()
        self.reactor.advance(1)
        for sending in self.sendings:
            sending.addErrback(lambda _: None)  # it was stopped
        assert closed
        assert not self.reactor.getDelayedCalls()


def event(kind: str, **members: Any) -> dict[str, Any]:
    """Return an event."""
    return {"type": kind, **members}


def created(**members: Any) -> dict[str, Any]:
    """Return the first event of a response."""
    return event("response.created", response={"id": "r1"}, **members)


def completed(name: str = "r1", **members: Any) -> dict[str, Any]:
    """Return the last event of a response."""
    return event("response.completed", response={"id": name, "output": []}, **members)
