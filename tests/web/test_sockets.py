"""Resets, disconnects and slow clients, over real sockets."""

from __future__ import annotations

import socket

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IPushProducer
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from antigravity.config.settings import Settings
from antigravity.interfaces.exchange import Reply
from antigravity.web.app import WebApp
from antigravity.web.connection.connection import ClientConnection
from tests.web.builders import FakeExchange, protocols, settings

ASK = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


@implementer(IPushProducer)
class Hose:
    """A stream without end that writes as long as it may."""

    def __init__(self) -> None:
        self.paused = False
        self.written = 0
        self.cancelled: Deferred[None] = Deferred()
        self.done: Deferred[None] = Deferred(lambda _: self.cancelled.callback(None))

    def start(self, consumer: object) -> Deferred[None]:
        self.consumer = consumer
        consumer.registerProducer(self, True)  # type: ignore[attr-defined]
        self.run()
        return self.done

    def run(self) -> None:
        if not self.paused and not self.cancelled.called:
            self.written += 65536
            self.consumer.write(b"x" * 65536)  # type: ignore[attr-defined]
            reactor.callLater(0, self.run)

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        self.run()

    def stopProducing(self) -> None:
        self.paused = True


class Sockets(TestCase):
    timeout = 120

    def serve(self, configuration: Settings) -> FakeExchange:
        self.exchange = FakeExchange()
        app = WebApp(self.exchange, protocols(), configuration)
        site = app.site(reactor)
        self.channels: list[ClientConnection] = []
        build = site.buildProtocol

        def build_protocol(address: object) -> ClientConnection:
            self.channels.append(build(address))
            return self.channels[-1]

        site.buildProtocol = build_protocol  # type: ignore[method-assign]
        self.port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)
        self.addCleanup(self.wait_for_goodbyes)
        return self.exchange

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port.getHost().port), 10)
        self.addCleanup(client.close)
        return client

    @inlineCallbacks
    def test_client_that_sends_too_much_can_read_the_refusal(self):
        self.serve(settings(max_body_bytes=1000))
        client = self.connect()

        def upload() -> bytes:
            size = 20_000_000
            head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
            client.sendall(head % size)
            client.sendall(bytes(size))  # all of it, before looking at the response
            response = b""
            while piece := client.recv(65536):
                response += piece
            client.close()
            return response

        response = yield deferToThread(upload)
        self.assertTrue(response.startswith(b"HTTP/1.1 413 "), response[:100])
        self.assertIn(b'"shape": "anthropic"', response)
        self.assertFalse(self.exchange.calls)

    @inlineCallbacks
    def test_slow_client_pauses_the_stream_and_disconnect_ends_it(self):
        exchange = self.serve(settings())
        hose = Hose()
        exchange.answer = lambda call: Reply(200, "text/event-stream", stream=hose)
        client = self.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(ASK)
        before = -1
        while before != hose.written:  # until all buffers on the way are full
            before = hose.written
            yield self.wait(0.2)
        self.assertTrue(hose.paused)
        client.close()
        yield hose.cancelled

    @inlineCallbacks
    def test_disconnect_before_the_response_cancels_the_exchange(self):
        exchange = self.serve(settings())
        left: Deferred[None] = Deferred()
        gateway: Deferred[None] = Deferred()

        def response(call: object) -> Deferred[Reply]:
            gateway.callback(None)
            return Deferred(lambda _: left.callback(None))

        exchange.answer = response
        client = self.connect()
        client.sendall(ASK)
        yield gateway
        client.close()
        yield left

    @inlineCallbacks
    def wait_for_goodbyes(self):
        while any(channel.transport.connected for channel in self.channels):
            yield self.wait(0.01)

    def wait(self, seconds: float) -> Deferred[None]:
        waited: Deferred[None] = Deferred()
        reactor.callLater(seconds, waited.callback, None)
        return waited
