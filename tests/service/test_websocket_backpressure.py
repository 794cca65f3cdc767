"""A client's WebSocket that is not read pauses the upstream, over HTTP and over WebSocket."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol
from zope.interface import implementer

from tests.service.socket_fixture import SocketCase, reactor
from tests.support.conditions import eventually

DELTA = {"type": "response.output_text.delta", "delta": "x" * 16_000}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#: What may be under way: buffers of the system on both sides, and those of the gateway.
MOST = 48 * 1024 * 1024
CONFIG = """
[upstreams.endless]
kind = "openai"
base_url = "http://127.0.0.1:{port}"
api_key = "sk-endless-0123456789"
apis = ["responses"]
responses_websocket = {sockets}
models = ["endless"]
"""


@implementer(IPushProducer)
class Endless(Protocol):
    """An upstream whose response has no end; it writes as long as it may."""

    def __init__(self, done: Deferred[None]) -> None:
        self._server = ServerProtocol()
        self._head = b""
        self._is_socket = False
        self.is_running = False
        self._is_paused = False
        self.written = 0
        self.done = done

    def dataReceived(self, data: bytes) -> None:
        if data.startswith(b"GET /v1/models "):
            self._write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        if not self._head and not data.startswith(b"GET "):
            self._head = data
            self.transport.write(HEAD)  # type: ignore[union-attr]
            self._begin()
            return
        self._head = self._head or data
        self._server.receive_data(data)
        for each in self._server.events_received():
            if isinstance(each, Request):
                self._is_socket = True
                self._server.send_response(self._server.accept(each))
                self._write(b"".join(self._server.data_to_send()))
            elif isinstance(each, Frame) and not self.is_running:
                self._begin()

    def _begin(self) -> None:
        self.is_running = True
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]
        self._send({"type": "response.created", "response": {"id": "r1"}})
        self._run()

    def _send(self, event: Any) -> None:
        text = json.dumps(event).encode()
        if self._is_socket:
            self._server.send_text(text)
            self._write(b"".join(self._server.data_to_send()))
        else:
            self._write(b"data: %b\n\n" % text)

    def _write(self, data: bytes) -> None:
        self.written += len(data)
        self.transport.write(data)  # type: ignore[union-attr]

    def _run(self) -> None:
        if self.is_running and not self._is_paused:
            self._send(DELTA)
            reactor.callLater(0, self._run)

    def pauseProducing(self) -> None:
        self._is_paused = True

    def resumeProducing(self) -> None:
        self._is_paused = False
        self._run()

    def stopProducing(self) -> None:
        self._is_paused = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.is_running and not self.done.called:
            self.done.callback(None)
        self.is_running = False


class BackPressureTests(SocketCase):
    async def check(self, *, sockets: bool) -> None:
        upstreams: list[Endless] = []
        done: Deferred[None] = Deferred()

        class Server(Factory):
            noisy = False

            def buildProtocol(self, address: Any) -> Endless:
                upstreams.append(Endless(done))
                return upstreams[-1]

        port = reactor.listenTCP(0, Server(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        await self.start()
        await self.gateway.reload(
            CONFIG.format(port=port.getHost().port, sockets=str(sockets).lower())
        )
        client = await self.connect()
        client.create(model="endless", input="go")
        await client.when(lambda: len(client.messages) > 3 or None)
        client.transport.pauseProducing()  # type: ignore[union-attr]
        (upstream,) = (each for each in upstreams if each.is_running)
        before = -1
        while before != upstream.written:  # until all buffers on the way are full
            before = upstream.written
            self.assertLess(before, MOST)
            await deferLater(reactor, 0.3)
        seen = len(client.messages)
        client.transport.resumeProducing()  # type: ignore[union-attr]
        await client.when(lambda: len(client.messages) > seen + 1000 or None)
        self.assertGreater(upstream.written, before)
        deltas = [each for each in client.messages if each["type"] == DELTA["type"]]
        self.assertTrue(all(each == DELTA for each in deltas))
        client.transport.loseConnection()  # type: ignore[union-attr]
        await done
        await eventually(lambda: bool(self.observer.records))
        self.assertEqual(self.observer.records[-1].outcome, "cancelled")

    async def test_upstream_over_http_is_paused(self) -> None:
        await self.check(sockets=False)

    async def test_upstream_over_websocket_is_paused(self) -> None:
        await self.check(sockets=True)
