"""Failures and cancellations of the HTTP client, over real sockets."""

from __future__ import annotations

import base64
import gc
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory

from antigravity.ir.errors import (
    UnavailableError,
    UpstreamError,
)
from antigravity.transport import client
from tests.support.fake_upstream import CHUNKED, Peer, Received, chunk, ok, pause, reactor
from tests.transport.fixtures import TransportTestCase, with_both_clients


@with_both_clients
class Faults(TransportTestCase):
    async def cut(self, wire: bytes) -> Any:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(wire)
            peer.close()

        self.serve(answer)
        response = await self.transport.send(self.request())
        error = await self.failing(response.collect(1000), UpstreamError)
        self.assertIn("broke off", error.message)

    async def test_body_shorter_than_its_length_fails(self) -> None:
        await self.cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")

    async def test_truncated_chunked_body_fails(self) -> None:
        await self.cut(CHUNKED + chunk(b"some"))

    async def test_body_without_length_ends_with_the_connection(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(b"HTTP/1.0 200 OK\r\n\r\nsome")
            peer.close()

        self.serve(answer)
        response = await self.transport.send(self.request())
        self.assertEqual(await response.collect(1000), b"some")

    async def test_body_without_length_fails_at_a_reset(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(b"HTTP/1.1 200 OK\r\n\r\nsome")
            reactor.callLater(0.05, peer.transport.abortConnection)

        self.serve(answer)
        response = await self.transport.send(self.request())
        error = await self.failing(response.collect(1000), UpstreamError)
        self.assertIn("broke off", error.message)

    async def test_refused_connection_fails(self) -> None:
        port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        number = port.getHost().port
        await port.stopListening()
        self.url = f"http://127.0.0.1:{number}"
        error = await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertEqual(
            error.message, f"cannot connect to 127.0.0.1:{number}: no server listens there"
        )

    async def test_close_without_response_fails(self) -> None:
        self.serve(lambda peer, got: peer.close())
        error = await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertIn("closed the connection before it responded", error.message)

    async def test_response_that_is_not_http_fails(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(b"hello\r\n\r\n")
            peer.close()

        self.serve(answer)
        error = await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertIn("not HTTP", error.message)

    async def test_malformed_url_fails(self) -> None:
        for url in ("ftp://127.0.0.1/", "http://127.0.0.1:9/\x7f", "http://h\xe4/"):
            await self.failing(self.transport.send(self.request(url=url)), UnavailableError)

    async def test_post_on_a_new_connection_is_never_sent_again(self) -> None:
        script = self.serve(lambda peer, got: peer.transport.abortConnection())
        await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertEqual(len(script.requests), 1)

    def stale(self, wait: float) -> Any:
        """Serve the first request of each connection, and hang up on the next after ``wait``."""

        def answer(peer: Peer, got: Received) -> None:
            if peer not in greeted:
                greeted.append(peer)
                peer.write(ok(b"fine"))
            else:
                reactor.callLater(wait, peer.transport.abortConnection)

        greeted: list[Peer] = []
        return self.serve(answer)

    async def test_request_on_a_stale_connection_is_sent_again(self) -> None:
        script = self.stale(0)
        for _ in range(3):
            body = await (await self.transport.send(self.request())).collect(10)
            self.assertEqual(body, b"fine")
        self.assertEqual(len(script.requests), 5)
        self.assertFalse(self.transport.active)

    async def test_post_that_was_processed_is_not_sent_again(self) -> None:
        self.patch(client, "STALE_WITHIN", 0.05)
        script = self.stale(0.1)
        await (await self.transport.send(self.request())).collect(10)
        await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertEqual(len(script.requests), 2)

    async def test_number_of_resends_is_limited(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            if len(script.requests) <= 4:
                waiting.append(peer)
                if len(waiting) == 4:
                    for each in waiting:
                        each.write(ok(b""))
            else:
                peer.transport.abortConnection()

        waiting: list[Peer] = []
        script = self.serve(answer)
        first = [self.transport.send(self.request()) for _ in range(4)]
        for sending in first:
            await (await sending).collect(10)
        await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertEqual(len(script.requests), 4 + 1 + client.MAX_RESENDS)


@with_both_clients
class CancellationTests(TransportTestCase):
    async def test_cancelling_before_the_headers_closes_the_connection(self) -> None:
        arrived: Deferred[None] = Deferred()
        script = self.serve(lambda peer, got: arrived.callback(None))
        sending = self.transport.send(self.request())
        await arrived
        sending.cancel()
        await self.failing(sending, CancelledError)
        await script.peers[0].lost

    async def test_cancelling_while_the_request_is_sent_closes_the_connection(self) -> None:
        script = self.serve(lambda peer, got: None)
        sending = self.transport.send(self.request(b"x" * 50_000_000))
        while not script.peers:
            await pause(0.01)
        sending.cancel()
        await self.failing(sending, CancelledError)
        await script.peers[0].lost

    async def test_cancelling_collect_closes_the_connection(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        response = await self.transport.send(self.request())
        collecting = response.collect(100)
        collecting.cancel()
        await self.failing(collecting, CancelledError)
        await script.peers[0].lost

    async def test_aborting_an_unread_response_closes_the_connection(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"a")))
        response = await self.transport.send(self.request())
        response.abort()
        await script.peers[0].lost

    async def test_closing_the_transport_fails_all_requests(self) -> None:
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

    async def test_no_unhandled_errors_are_left(self) -> None:
        await self.test_cancelling_before_the_headers_closes_the_connection()
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])


@with_both_clients
class PlainProxy(TransportTestCase):
    async def test_http_request_through_a_proxy_has_the_absolute_url(self) -> None:
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

    async def test_malformed_proxy_url_fails(self) -> None:
        self.url = "http://upstream.invalid"
        error = await self.failing(
            self.transport.send(self.request(proxy="socks5://u:secret@h:1")), UnavailableError
        )
        self.assertIn("http_proxy", error.message)
