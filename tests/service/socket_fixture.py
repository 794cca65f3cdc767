"""A gateway whose upstream speaks the Responses API over WebSocket, and clients of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from antigravity.hookspecs import hookimpl
from antigravity.ir.record import ExchangeRecord
from antigravity.testing.gateway import GatewayUnderTest, start_gateway

reactor: Any = default_reactor
PATH = "/v1/responses"
MODEL = "demo-openai-websocket/gpt-5.1"


class SocketClient(Protocol):
    """A client by the independent library websockets, on a real socket."""

    def __init__(self, url: str) -> None:
        self._client = ClientProtocol(parse_uri(url.replace("http", "ws") + PATH))
        self.messages: list[Any] = []
        self.status = 0
        self.lost: Deferred[None] = Deferred()
        self._waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def connectionMade(self) -> None:
        self._client.send_request(self._client.connect())
        self._flush()

    def _flush(self) -> None:
        for data in self._client.data_to_send():
            if data:
                self.transport.write(data)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self._client.receive_data(data)
        for each in self._client.events_received():
            if isinstance(each, Response):
                self.status = each.status_code
            elif isinstance(each, Frame) and each.opcode is Opcode.TEXT:
                self.messages.append(json.loads(bytes(each.data)))
        self._flush()
        self._look()

    def _look(self) -> None:
        for found, waiting in list(self._waiting):
            result = found()
            if result is not None:
                self._waiting.remove((found, waiting))
                waiting.callback(result)

    def when(self, found: Callable[[], Any]) -> Deferred[Any]:
        """Return a Deferred that fires with what ``found`` returns, once it is not ``None``."""
        waiting: Deferred[Any] = Deferred()
        self._waiting.append((found, waiting))
        self._look()
        return waiting

    def create(self, **members: Any) -> None:
        """Request a response."""
        message = {"type": "response.create", "model": MODEL, "store": False, **members}
        self._client.send_text(json.dumps(message).encode())
        self._flush()

    def steer(self, response_id: str, given: Any) -> None:
        """Send input for a response that is running."""
        message = {"type": "response.steer", "previous_response_id": response_id, "input": given}
        self._client.send_text(json.dumps(message).encode())
        self._flush()

    async def message(self, kind: str) -> Any:
        """Return the first message of a type."""

        def found() -> Any:
            return next((each for each in self.messages if each["type"] == kind), None)

        return await self.when(found)

    async def reply(self, lane: str | None = None) -> Any:
        """Return the last message of the next reply in a lane, and drop those before."""

        def found() -> Any:
            for place, message in enumerate(self.messages):
                ends = ("response.completed", "response.incomplete", "response.failed", "error")
                if message.get("stream_id") == lane and message["type"] in ends:
                    kept = [m for m in self.messages[:place] if m.get("stream_id") != lane]
                    self.messages[: place + 1] = kept
                    return message
            return None

        return await self.when(found)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


class Observer:
    """A plugin that collects the records of requests."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> None:
        self.records.append(record)


class SocketCase(TestCase):
    """A test case with a gateway."""

    timeout = 120

    async def start(self, config: str = "") -> GatewayUnderTest:
        quick = "[proxy.scheduling]\nretry_pause = 0.01\nmax_wait_seconds = 0\n"
        self.observer = Observer()
        self.gateway = await start_gateway(
            reactor,
            Path(self.mktemp()),
            plugins=[("observer", self.observer)],
            config=quick + config,
        )
        self.addCleanup(self.gateway.stop)
        return self.gateway

    async def connect(self) -> SocketClient:
        """Return a client that is connected."""
        url = self.gateway.url
        host, _, port = url.removeprefix("http://").partition(":")
        endpoint = TCP4ClientEndpoint(reactor, host, int(port))
        client: SocketClient = await connectProtocol(endpoint, SocketClient(url))

        async def close() -> None:
            client.transport.loseConnection()  # type: ignore[union-attr]
            await client.lost

        self.addCleanup(lambda: Deferred.fromCoroutine(close()))
        await client.when(lambda: client.status or None)
        self.assertEqual(client.status, 101)
        return client

    def upstream_messages(self) -> list[Any]:
        """Return the messages that the upstream has received."""
        return [each.body for each in self.gateway.simulator.log if each.method == "MESSAGE"]

    def upstream_posts(self) -> list[Any]:
        """Return the bodies that were posted to the upstream."""
        log = self.gateway.simulator.log
        return [each.body for each in log if (each.method, each.path) == ("POST", PATH)]

    def handshakes(self) -> int:
        """Return how many connections the upstream was asked for."""
        log = self.gateway.simulator.log
        return sum((each.method, each.path) == ("GET", PATH) for each in log)

    @property
    def upstream(self) -> Any:
        """The state of the upstream."""
        return self.gateway.simulator.state


def text_of(message: Any) -> str:
    """Return the text of the response in a message."""
    items = message["response"]["output"]
    return "".join(
        part["text"] for item in items if item["type"] == "message" for part in item["content"]
    )
