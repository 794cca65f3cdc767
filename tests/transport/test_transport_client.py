"""The HTTP client over real sockets: every way in which an upstream can fail."""

from __future__ import annotations

import base64
import gc
from typing import Any

from loopback_peer import CHUNKED, Peer, Received, Script, chunk, listen, ok, pause, reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase
from twisted.web.client import ResponseDone
from zope.interface.verify import verifyObject

from antigravity.interfaces.transport import (
    IHttpTransport,
    IIncomingResponse,
    OutgoingRequest,
    Timeouts,
)
from antigravity.ir.errors import (
    CancelledByClientError,
    DeadlineError,
    UnavailableError,
    UpstreamError,
)
from antigravity.transport.client import HttpTransport


class Reader(Protocol):
    """Keeps what it reads; ``done`` fires with why it ended."""

    def __init__(self) -> None:
        self.data = b""
        self.done: Deferred[BaseException] = Deferred()
        self.some: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if not self.some.called:
            self.some.callback(None)

    def connectionLost(self, reason: Any = None) -> None:
        self.done.callback(reason.value)


class ClientCase(TestCase):
    timeout = 20
    url = "http://127.0.0.1:9"

    def setUp(self) -> None:
        self.transport = HttpTransport(reactor)
        self.addCleanup(lambda: self.transport.close())

    def serve(self, answer: Any) -> Script:
        script = Script(answer)
        self.port = listen(self, script)
        self.url = f"http://127.0.0.1:{self.port}"
        return script

    def request(self, body: bytes = b"{}", **options: Any) -> OutgoingRequest:
        limits = options.pop("timeouts", Timeouts(5, 5, 5, 0))
        path = options.pop("path", "/v1/x?key=secret")
        url = options.pop("url", self.url + path)
        headers = (("x-one", "1"), ("content-type", "application/json"))
        return OutgoingRequest("POST", url, headers, body, limits, **options)

    async def failing(self, awaitable: Any, kind: type[Exception]) -> Any:
        try:
            await awaitable
        except kind as error:
            self.assertNotIn("secret", str(error))
            return error
        raise AssertionError("nothing was raised")


class GoodAnswers(ClientCase):
    async def test_a_request_and_its_answer(self) -> None:
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

    async def test_connections_are_used_again(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"x") + chunk(b"")))
        for _ in range(3):
            response = await self.transport.send(self.request())
            self.assertEqual(await response.collect(10), b"x")
        self.assertEqual(len(script.peers), 1)

    async def test_a_large_body_goes_up_whole(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(b"")))
        body = bytes(range(256)) * 16 * 1024
        response = await self.transport.send(self.request(body))
        self.assertEqual(await response.collect(0), b"")
        self.assertEqual(script.requests[0].body, body)

    async def test_redirects_are_not_followed(self) -> None:
        script = self.serve(
            lambda peer, got: peer.write(ok(b"", "Location: /elsewhere", status="302 Found"))
        )
        response = await self.transport.send(self.request())
        self.assertEqual(response.status(), 302)
        response.abort()
        self.assertEqual(len(script.requests), 1)

    async def test_an_answer_that_came_whole_can_be_dropped_without_harm(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(b"abc")))
        response = await self.transport.send(self.request())
        await pause(0.05)
        response.abort()
        response = await self.transport.send(self.request())
        self.assertEqual(await response.collect(10), b"abc")
        self.assertLessEqual(len(script.peers), 2)

    async def test_dropping_a_finished_answer_spares_the_connection_of_the_next(self) -> None:
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

    async def test_a_reader_that_pauses_stops_the_upstream(self) -> None:
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

    async def test_a_reader_may_pause_before_the_first_byte(self) -> None:
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


class Limits(ClientCase):
    async def test_slow_headers(self) -> None:
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

    async def test_a_stall_in_the_body(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        reader = Reader()
        response = await self.transport.send(self.request(timeouts=Timeouts(5, 5, 0.1, 0)))
        response.deliver(reader)
        error = await reader.done
        self.assertIsInstance(error, DeadlineError)
        self.assertIn("timeouts.idle", error.message)
        self.assertEqual(reader.data, b"a")
        await script.peers[0].lost

    async def test_a_paused_reader_is_not_an_idle_upstream(self) -> None:
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

    async def test_a_trickle_is_not_idle_but_reaches_the_total(self) -> None:
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

    async def test_the_total_counts_for_an_answer_that_nobody_has_read_yet(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        response = await self.transport.send(self.request(timeouts=Timeouts(5, 5, 5, 0.1)))
        await script.peers[0].lost
        await self.failing(response.collect(10), DeadlineError)

    async def test_a_body_with_more_bytes_than_wanted(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"x" * 50) * 3))
        response = await self.transport.send(self.request())
        error = await self.failing(response.collect(100), UpstreamError)
        self.assertIn("more than 100 bytes", error.message)
        await script.peers[0].lost

    async def test_a_body_that_announces_too_many_bytes(self) -> None:
        script = self.serve(
            lambda peer, got: peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\nx")
        )
        response = await self.transport.send(self.request())
        await self.failing(response.collect(100), UpstreamError)
        await script.peers[0].lost


class Faults(ClientCase):
    async def cut(self, wire: bytes) -> Any:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(wire)
            peer.close()

        self.serve(answer)
        response = await self.transport.send(self.request())
        error = await self.failing(response.collect(1000), UpstreamError)
        self.assertIn("broke off", error.message)

    async def test_a_body_cut_before_its_length(self) -> None:
        await self.cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")

    async def test_a_chunked_body_cut(self) -> None:
        await self.cut(CHUNKED + chunk(b"some"))

    async def test_a_body_without_any_length(self) -> None:
        await self.cut(b"HTTP/1.1 200 OK\r\n\r\nsome")

    async def test_nobody_listens(self) -> None:
        port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        number = port.getHost().port
        await port.stopListening()
        self.url = f"http://127.0.0.1:{number}"
        error = await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertEqual(error.message, f"connection refused by 127.0.0.1:{number}")

    async def test_no_answer_at_all(self) -> None:
        self.serve(lambda peer, got: peer.close())
        error = await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertIn("closed the connection before it answered", error.message)

    async def test_an_answer_that_is_not_http(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(b"hello\r\n\r\n")
            peer.close()

        self.serve(answer)
        error = await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertIn("not HTTP", error.message)

    async def test_a_url_that_is_none(self) -> None:
        for url in ("ftp://127.0.0.1/", "http://127.0.0.1:9/\x7f", "http://h\xe4/"):
            await self.failing(self.transport.send(self.request(url=url)), UnavailableError)

    async def test_a_post_is_never_sent_twice(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            if len(script.requests) == 1:
                peer.write(ok(b""))
            else:
                peer.transport.abortConnection()

        script = self.serve(answer)
        await (await self.transport.send(self.request())).collect(10)
        await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertEqual(len(script.requests), 2)


class Cancelling(ClientCase):
    async def test_before_the_headers(self) -> None:
        arrived: Deferred[None] = Deferred()
        script = self.serve(lambda peer, got: arrived.callback(None))
        sending = self.transport.send(self.request())
        await arrived
        sending.cancel()
        await self.failing(sending, CancelledError)
        await script.peers[0].lost

    async def test_while_the_body_goes_up(self) -> None:
        script = self.serve(lambda peer, got: None)
        sending = self.transport.send(self.request(b"x" * 50_000_000))
        while not script.peers:
            await pause(0.01)
        sending.cancel()
        await self.failing(sending, CancelledError)
        await script.peers[0].lost

    async def test_collecting(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        response = await self.transport.send(self.request())
        collecting = response.collect(100)
        collecting.cancel()
        await self.failing(collecting, CancelledError)
        await script.peers[0].lost

    async def test_aborting_an_unread_answer(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        response = await self.transport.send(self.request())
        response.abort()
        await script.peers[0].lost

    async def test_closing_ends_what_goes_on(self) -> None:
        arrived: Deferred[None] = Deferred()

        def answer(peer: Peer, got: Received) -> None:
            if len(script.requests) == 1:
                peer.write(CHUNKED + chunk(b"a"))
            else:
                arrived.callback(None)

        script = self.serve(answer)
        collecting = (await self.transport.send(self.request())).collect(100)
        waiting = self.transport.send(self.request())
        await arrived
        await self.transport.close()
        await self.failing(collecting, UnavailableError)
        await self.failing(waiting, UnavailableError)
        await self.failing(self.transport.send(self.request()), UnavailableError)
        for peer in script.peers:
            await peer.lost

    async def test_no_garbage_errors(self) -> None:
        await self.test_before_the_headers()
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])


class PlainProxy(ClientCase):
    async def test_http_goes_with_the_absolute_address(self) -> None:
        script = self.serve(lambda peer, got: peer.write(ok(b"via")))
        proxy = f"http://us%40er:pa%3Ass@127.0.0.1:{self.port}"
        for _ in range(2):
            request = self.request(url="http://upstream.invalid/v1/x", proxy=proxy)
            response = await self.transport.send(request)
            self.assertEqual(await response.collect(10), b"via")
        got = script.requests[0]
        self.assertEqual(got.first, "POST http://upstream.invalid/v1/x HTTP/1.1")
        self.assertEqual(got.headers["host"], "upstream.invalid")
        expected = base64.b64encode(b"us@er:pa:ss").decode()
        self.assertEqual(got.headers["proxy-authorization"], f"Basic {expected}")
        self.assertEqual(len(script.peers), 1)

    async def test_a_proxy_that_is_none(self) -> None:
        self.url = "http://upstream.invalid"
        error = await self.failing(
            self.transport.send(self.request(proxy="socks5://u:secret@h:1")), UnavailableError
        )
        self.assertIn("http_proxy", error.message)
