"""Heads of responses have a limit."""

from __future__ import annotations

from twisted.logger import capturedLogs

from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.transport.head_limit import HEAD_LIMIT
from tests.support.fake_upstream import CHUNKED, Peer, Received, chunk, ok
from tests.transport.fixtures import TransportTestCase, with_both_clients

FOLDED = "one header of many lines"
FLOODS = {
    "headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000,
    FOLDED: b"HTTP/1.1 200 OK\r\na: b\r\n" + b"  c\r\n" * 100_000,
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    "early hints": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 20_000,
}


@with_both_clients
class LongHeads(TransportTestCase):
    async def test_endless_head_aborts_the_connection(self) -> None:
        for name, flood in FLOODS.items():
            script = self.serve(lambda peer, got, flood=flood: peer.write(flood))
            with capturedLogs() as events:
                error = await self.failing(self.transport.send(self.request()), UpstreamError)
            is_malformed = name == FOLDED and self.http_client == "httptools"
            code = None if is_malformed else "headers_too_large"
            self.assertEqual((error.code, error.status), (code, 502), name)
            self.assertLess(len(events), 2 * HEAD_LIMIT // 25, name)
            await script.peers[0].lost

    async def test_endless_trailers_abort_the_connection(self) -> None:
        flood = CHUNKED + chunk(b"x") + b"0\r\n" + b"a: b\r\n" * 100_000
        script = self.serve(lambda peer, got: peer.write(flood))
        response = await self.transport.send(self.request())
        await self.failing(response.collect(10), GatewayError)
        await script.peers[0].lost

    async def test_endless_chunk_extension_aborts_the_connection(self) -> None:
        script = self.serve(lambda peer, got: peer.write(CHUNKED + b"1;" + b"x" * 200_000))
        response = await self.transport.send(self.request())
        await self.failing(response.collect(10), GatewayError)
        await script.peers[0].lost

    async def test_long_head_below_the_limit_is_read(self) -> None:
        headers = [f"x-{n}: {'v' * 100}" for n in range(500)]
        body = b"y" * 300_000
        script = self.serve(lambda peer, got: peer.write(ok(body, *headers)))
        for _ in range(2):  # the second request begins a count of its own
            response = await self.transport.send(self.request())
            self.assertEqual(response.headers()["x-499"], "v" * 100)
            self.assertEqual(await response.collect(len(body)), body)
        self.assertEqual(len(script.peers), 1)

    async def test_head_in_many_pieces_is_read(self) -> None:
        def answer(peer: Peer, got: Received) -> None:
            peer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
            for byte in ok(b"z" * 5000):
                peer.write(bytes((byte,)))

        self.serve(answer)
        response = await self.transport.send(self.request())
        self.assertEqual(await response.collect(5000), b"z" * 5000)

    async def test_body_of_very_many_small_chunks_is_collected(self) -> None:
        self.serve(lambda peer, got: peer.write(CHUNKED + chunk(b"ab") * 20_000 + chunk(b"")))
        response = await self.transport.send(self.request())
        self.assertEqual(await response.collect(40_000), b"ab" * 20_000)
