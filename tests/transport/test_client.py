"""The HTTP client over real sockets: responses and limits."""

from __future__ import annotations

import gc
import sys

from twisted.logger import capturedLogs
from twisted.web.client import ResponseDone
from zope.interface.verify import verifyObject

from antigravity.interfaces.transport import (
    IHttpTransport,
    IIncomingResponse,
    Timeouts,
)
from antigravity.ir.errors import (
    CancelledByClientError,
    DeadlineError,
    UpstreamError,
)
from tests.support.fake_upstream import CHUNKED, Peer, Received, chunk, ok, pause, reactor
from tests.transport.fixtures import Reader, TransportTestCase, with_both_clients


@with_both_clients
class GoodAnswers(TransportTestCase):
    async def test_request_gets_its_response(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(b"fine", "X-A: 1", "x-a: 2")))
        response = await self.transport.send(self.request(b"body"))
        verifyObject(IHttpTransport, self.transport)
        verifyObject(IIncomingResponse, response)
        self.assertEqual(response.status(), 200)
        self.assertEqual(response.headers()["x-a"], "2")
        self.assertEqual(await response.collect(100), b"fine")
        (got,) = script.requests
        self.assertEqual(got.first, "POST /v1/x?key=secret HTTP/1.1")
        self.assertEqual(got.body, b"body")
        self.assertEqual(got.headers["x-one"], "1")
        self.assertEqual(got.headers["accept-encoding"], "identity")
        self.assertEqual(got.headers["host"], f"127.0.0.1:{self.port}")

    async def test_connections_are_reused(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"x") + chunk(b"")))
        for _ in range(3):
            response = await self.transport.send(self.request())
            self.assertEqual(await response.collect(10), b"x")
        self.assertEqual(len(script.peers), 1)

    async def test_connections_are_not_logged(self) -> None:
        self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"x") + chunk(b"")))
        with capturedLogs() as events:
            response = await self.transport.send(self.request())
            await response.collect(10)
            await self.transport.close()
        self.assertEqual([event["log_format"] for event in events], [])

    async def test_large_body_is_sent_completely(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(b"")))
        body = bytes(range(256)) * 16 * 1024
        response = await self.transport.send(self.request(body))
        self.assertEqual(await response.collect(0), b"")
        self.assertEqual(script.requests[0].body, body)

    async def test_body_is_freed_without_garbage_collection(self) -> None:
        self.serve(lambda peer, got: peer.write(ok(b"fine")))
        body = bytes(200_000)
        before = sys.getrefcount(body)
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(3):
            response = await self.transport.send(self.request(body))
            self.assertEqual(await response.collect(10), b"fine")
            del response
        await pause(0)
        self.assertEqual(sys.getrefcount(body), before)

    async def test_redirects_are_not_followed(self) -> None:
        script = self.serve(
            lambda peer, got: peer.write(ok(b"", "Location: /elsewhere", status="302 Found"))
        )
        response = await self.transport.send(self.request())
        self.assertEqual(response.status(), 302)
        response.abort()
        self.assertEqual(len(script.requests), 1)

    async def test_complete_response_can_be_aborted(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(b"abc")))
        response = await self.transport.send(self.request())
        await pause(0.05)
        response.abort()
        response = await self.transport.send(self.request())
        self.assertEqual(await response.collect(10), b"abc")
        self.assertLessEqual(len(script.peers), 2)

    async def test_aborting_a_complete_response_keeps_the_connection(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            if got.first.startswith("POST /first"):
                peer.write(ok(b"", status="204 No Content"))
            else:
                peer.write(CHUNKED + chunk(b"a"))
                reactor.callLater(0.1, peer.write, chunk(b"b") + chunk(b""))

        script = self.serve(answer)
        first = await self.transport.send(self.request(path="/first"))
        second = await self.transport.send(self.request(path="/second"))
        first.abort()
        self.assertEqual(await second.collect(10), b"ab")
        self.assertEqual(len(script.peers), 1)

    async def test_paused_reader_pauses_the_upstream(self) -> None:
        sent = []

        class Flood:
            def __init__(self, peer: Peer) -> None:
                self.peer, self.running = peer, False
                peer.transport.registerProducer(self, True)
                self.resumeProducing()

            def resumeProducing(self) -> None:
                if not self.running:
                    self.running = True
                    self.more()

            def more(self) -> None:
                if self.running and not self.peer.gone:
                    sent.append(1)
                    self.peer.write(chunk(b"x" * 65536))
                    reactor.callLater(0, self.more)

            def pauseProducing(self) -> None:
                self.running = False

            def stopProducing(self) -> None:
                self.running = False

        def answer(peer: Peer, got: Received) -> None:
            peer.write(CHUNKED)
            Flood(peer)

        script = self.serve(answer)
        reader = Reader()
        response = await self.transport.send(self.request())
        response.deliver(reader)
        await reader.some
        reader.transport.pauseProducing()
        await pause(0.3)
        before, held = len(sent), len(reader.data)
        await pause(0.3)
        self.assertEqual(len(sent), before)
        self.assertEqual(len(reader.data), held)
        reader.transport.resumeProducing()
        await pause(0.1)
        self.assertGreater(len(reader.data), held)
        reader.transport.stopProducing()
        self.assertIsInstance(await reader.done, CancelledByClientError)
        await script.peers[0].lost

    async def test_reader_may_pause_before_the_first_byte(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(CHUNKED + chunk(b"a"))
            reactor.callLater(0.1, peer.write, chunk(b"b"))

        self.serve(answer)

        class Shy(Reader):
            def connectionMade(self) -> None:
                self.transport.pauseProducing()

        reader = Shy()
        response = await self.transport.send(self.request())
        response.deliver(reader)
        await pause(0.2)
        self.assertNotIn(b"b", reader.data)  # what was read with the headers may come
        reader.transport.stopProducing()
        await reader.done


@with_both_clients
class Limits(TransportTestCase):
    async def test_slow_headers_reach_the_first_byte_limit(self) -> None:
        script = self.serve(lambda peer, got: None)
        limits = Timeouts(5, 0.1, 5, 0)
        error = await self.failing(
            self.transport.send(self.request(timeouts=limits)), DeadlineError
        )
        self.assertIn("sent no response headers within 0.1 s", error.message)
        self.assertIn("timeouts.first_byte", error.message)
        self.assertIn(f"127.0.0.1:{self.port}", error.message)
        self.assertEqual(error.code, "first_byte_timeout")
        await script.peers[0].lost

    async def test_stalled_body_reaches_the_idle_limit(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        reader = Reader()
        response = await self.transport.send(self.request(timeouts=Timeouts(5, 5, 0.1, 0)))
        response.deliver(reader)
        error = await reader.done
        self.assertIsInstance(error, DeadlineError)
        self.assertIn("timeouts.idle", error.message)
        self.assertEqual(reader.data, b"a")
        await script.peers[0].lost

    async def test_paused_reader_does_not_reach_the_idle_limit(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(CHUNKED + chunk(b"a"))
            reactor.callLater(0.5, peer.write, chunk(b"b") + chunk(b""))

        self.serve(answer)
        reader = Reader()
        response = await self.transport.send(self.request(timeouts=Timeouts(5, 5, 0.2, 0)))
        response.deliver(reader)
        await reader.some
        reader.transport.pauseProducing()
        await pause(0.6)
        reader.transport.resumeProducing()
        self.assertIsInstance(await reader.done, ResponseDone)
        self.assertEqual(reader.data, b"ab")

    async def test_slow_body_reaches_the_total_limit_only(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            def more() -> None:
                if not peer.gone:
                    peer.write(chunk(b"."))
                    reactor.callLater(0.05, more)

            peer.write(CHUNKED)
            more()

        script = self.serve(answer)
        limits = Timeouts(5, 5, 0.2, 0.6)
        response = await self.transport.send(self.request(timeouts=limits))
        error = await self.failing(response.collect(1000), DeadlineError)
        self.assertIn("timeouts.total", error.message)
        self.assertIn("proxy.request_timeout", error.message)
        await script.peers[0].lost
        await pause(0.1)  # for the server's own timer

    async def test_total_limit_holds_for_an_unread_response(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        response = await self.transport.send(self.request(timeouts=Timeouts(5, 5, 5, 0.1)))
        await script.peers[0].lost
        await self.failing(response.collect(10), DeadlineError)

    async def test_body_beyond_the_limit_fails(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"x" * 50) * 3))
        response = await self.transport.send(self.request())
        error = await self.failing(response.collect(100), UpstreamError)
        self.assertIn("more than 100 bytes", error.message)
        await script.peers[0].lost

    async def test_content_length_beyond_the_limit_fails(self) -> None:
        script = self.serve(
            lambda peer, got: peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\nx")
        )
        response = await self.transport.send(self.request())
        await self.failing(response.collect(100), UpstreamError)
        await script.peers[0].lost
