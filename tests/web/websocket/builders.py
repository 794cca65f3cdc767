"""A client of the gateway's WebSocket, by the independent library websockets, in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from antigravity.config.settings import ProxySettings, Settings, WebSocketSettings
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_SERVER
from antigravity.web.app import WebApp
from tests.web.builders import FakeExchange, FakeStream, Transport

KEY = "sk-client-0123456789"


def event(kind: str, **members: Any) -> bytes:
    """Return an event of a stream."""
    data = json.dumps({"type": kind, **members})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def completed(response_id: str, *output: Any, number: int = 9) -> bytes:
    """Return the last event of a response."""
    response = {"id": response_id, "status": "completed", "output": list(output)}
    return event("response.completed", sequence_number=number, response=response)


def message(text: str) -> dict[str, Any]:
    """Return an output item."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content}


class Pausing(Transport):
    """A transport that notes whether the client is read from."""

    is_reading = True

    def pauseProducing(self) -> None:
        self.is_reading = False

    def resumeProducing(self) -> None:
        self.is_reading = True


class SocketHarness:
    """A gateway with a fake exchange, and one client."""

    def __init__(
        self,
        *,
        path: str = "/v1/responses",
        headers: Sequence[tuple[str, str]] = (),
        deflate: bool = False,
        host: str = "127.0.0.1",
        proxy: dict[str, Any] | None = None,
        connect: bool = True,
        exchange: FakeExchange | None = None,
        **websocket: Any,
    ) -> None:
        self.exchange = exchange or FakeExchange()
        self.settings = Settings(
            proxy=ProxySettings(**(proxy or {})), websocket=WebSocketSettings(**websocket)
        )
        self.app = WebApp(self.exchange, [OPENAI_RESPONSES_SERVER], self.settings)
        self.clock = Clock()
        site: Any = self.app.site(self.clock)
        site.doStart()
        self.site = site
        make_transport: Any = Pausing
        self.transport: Any = make_transport(peerAddress=IPv4Address("TCP", host, 5555))
        self.channel = self.site.buildProtocol(self.transport.getPeer())
        self.channel.makeConnection(self.transport)
        factories = [ClientPerMessageDeflateFactory()] if deflate else []
        self.client = ClientProtocol(parse_uri(f"ws://localhost{path}"), extensions=factories)
        self.events: list[Any] = []
        self.streams: list[FakeStream] = []
        if connect:
            request = self.client.connect()
            for name, value in headers:
                request.headers[name] = value
            self.client.send_request(request)
            self.flush()

    # -- the client --

    def flush(self) -> None:
        """Deliver what both sides have written."""
        for data in self.client.data_to_send():
            if data:
                self.channel.dataReceived(data)
        self.receive()

    def receive(self) -> None:
        """Let the client read what was written to it."""
        wire = self.transport.value()
        self.transport.clear()
        if wire:
            self.client.receive_data(wire)
        self.events += self.client.events_received()

    @property
    def handshake(self) -> Response:
        """The response to the upgrade."""
        self.receive()
        response = self.events[0]
        assert isinstance(response, Response)
        return response

    def send(self, *messages: Any) -> None:
        """Send messages; text is sent as it is."""
        for each in messages:
            text = each if isinstance(each, str) else json.dumps(each)
            self.client.send_text(text.encode())
        self.flush()

    def create(self, **members: Any) -> None:
        """Request a response."""
        self.send({"type": "response.create", "model": "m", "input": "hi", **members})

    def messages(self) -> list[Any]:
        """Return the messages since the last call."""
        self.receive()
        found = [e for e in self.events if isinstance(e, Frame) and e.opcode is Opcode.TEXT]
        self.events = [e for e in self.events if e not in found]
        return [json.loads(bytes(frame.data)) for frame in found]

    def kinds(self) -> list[str]:
        """Return the types of the messages since the last call."""
        return [each["type"] for each in self.messages()]

    def frames(self, opcode: Opcode) -> list[Frame]:
        """Return the frames of one kind since the last call."""
        self.receive()
        found = [e for e in self.events if isinstance(e, Frame) and e.opcode is opcode]
        self.events = [e for e in self.events if e not in found]
        return found

    def close_code(self) -> int:
        """Return the code with which the gateway has closed the connection."""
        (frame,) = self.frames(Opcode.CLOSE)
        return Close.parse(frame.data).code

    # -- the exchange --

    def stream(self) -> None:
        """Let the exchange respond to each call with a stream of its own."""

        def answer(_: Any) -> Any:
            self.streams.append(FakeStream())
            return self.streams[-1].reply()

        self.exchange.answer = answer

    def bodies(self) -> list[Any]:
        """Return the bodies of all calls."""
        return [json.loads(call.body) for _, call in self.exchange.calls]

    # -- the connection --

    def lose(self) -> None:
        """Let the client go."""
        if self.transport.connected:
            self.transport.connected = False
            self.channel.connectionLost(Failure(ConnectionDone()))

    def close(self) -> None:
        """End the connection, and check that nothing is left."""
        self.lose()
        self.site.doStop()
        assert not self.clock.getDelayedCalls()
        assert not self.site.connections
