"""Responses of servers that respond, or close, before the request is sent."""

from __future__ import annotations

from typing import Any

from antigravity.interfaces.transport import Timeouts
from antigravity.ir.errors import UpstreamError
from tests.support.early_upstream import EarlyPeer, EarlyUpstream
from tests.support.fake_upstream import pause, reactor
from tests.transport.fixtures import TransportTestCase, with_both_clients

LARGE = b"x" * 30_000_000


@with_both_clients
class EarlyResponses(TransportTestCase):
    def serve_early(self, act: Any) -> EarlyUpstream:
        from tests.support.fake_upstream import listen

        factory = EarlyUpstream(act)
        self.url = f"http://127.0.0.1:{listen(self, factory)}"
        return factory

    async def answer(self, **options: Any) -> tuple[int, bytes]:
        response = await self.transport.send(self.request(LARGE, **options))
        return response.status(), await response.collect(1000)

    async def test_refusal_with_length_and_close_is_delivered(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nnope")
            # Not a full close: a kernel may throw away what is there when a reset follows.
            peer.transport.loseWriteConnection()

        self.serve_early(act)
        self.assertEqual(await self.answer(), (413, b"nope"))

    async def test_refusal_that_ends_with_the_connection_is_delivered(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.write(b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\nno key")
            reactor.callLater(0.05, peer.transport.loseConnection)

        self.serve_early(act)
        self.assertEqual(await self.answer(), (401, b"no key"))

    async def test_refusal_of_a_server_that_stops_reading_is_delivered_at_once(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.transport.pauseProducing()
            peer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nnope")

        factory = self.serve_early(act)
        self.assertEqual(await self.answer(), (413, b"nope"))
        factory.peers[0].transport.resumeProducing()
        await factory.peers[0].lost  # nothing more is sent, and no connection is left
        self.assertLess(factory.peers[0].received, len(LARGE))

    async def test_head_is_delivered_while_the_request_is_sent(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.transport.pauseProducing()
            peer.write(b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n")

        factory = self.serve_early(act)
        response = await self.transport.send(self.request(LARGE))
        self.assertEqual(response.status(), 400)
        factory.peers[0].write(b"0\r\n\r\n")
        self.assertEqual(await response.collect(1000), b"no")

    async def test_response_completes_while_the_request_is_still_read(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
            reactor.callLater(0.5, peer.write, b"0\r\n\r\n")

        self.serve_early(act)
        self.assertEqual(await self.answer(), (200, b"ok"))

    async def test_truncated_early_response_fails(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 400\r\n\r\nhalf")
            reactor.callLater(0.05, peer.transport.abortConnection)

        self.serve_early(act)
        response = await self.transport.send(self.request(LARGE))
        await self.failing(response.collect(1000), UpstreamError)

    async def test_cancelling_an_early_response_closes_the_connection(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.write(b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n")

        factory = self.serve_early(act)
        response = await self.transport.send(self.request(LARGE))
        response.abort()
        await factory.peers[0].lost

    async def test_interim_responses_are_skipped(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 3)
            peer.write(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")
            peer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nnope")

        self.serve_early(act)
        self.assertEqual(await self.answer(), (413, b"nope"))

    async def test_reset_while_the_request_is_sent_fails(self) -> None:
        self.serve_early(lambda peer: peer.reset())
        error = await self.failing(self.answer(), UpstreamError)
        self.assertIn("closed the connection before it responded", error.message)
        self.assertIsNone(error.code)

    async def test_server_that_reads_nothing_reaches_the_limit(self) -> None:
        factory = self.serve_early(lambda peer: peer.transport.pauseProducing())
        limits = Timeouts(5, 0.2, 5, 0)
        error = await self.failing(self.answer(timeouts=limits), UpstreamError)
        self.assertEqual(error.code, "first_byte_timeout")
        factory.peers[0].transport.resumeProducing()
        await factory.peers[0].lost

    async def test_connection_is_reused_after_a_normal_response(self) -> None:
        def act(peer: EarlyPeer) -> None:
            peer.received = 0
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        factory = self.serve_early(act)
        for _ in range(2):
            response = await self.transport.send(self.request(b"{}"))
            self.assertEqual(await response.collect(10), b"ok")
            await pause(0)
        self.assertEqual(len(factory.peers), 1)
