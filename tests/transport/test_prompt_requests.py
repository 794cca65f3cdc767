"""A small request is sent at once, and complete whatever the system accepts."""

from __future__ import annotations

from typing import Any

from twisted.internet import main, tcp

from antigravity.ir.errors import UpstreamError
from tests.support.fake_upstream import FakeUpstream, ok
from tests.transport.fixtures import TransportTestCase


class PromptRequests(TransportTestCase):
    def limit_writes(self, results: list[Any]) -> None:
        """Let each call send so many bytes; ``None`` is as many as the system accepts."""
        original = tcp.Connection.writeSomeData

        def write_some(connection: Any, data: Any) -> Any:
            limit = results.pop(0) if results and isinstance(connection, tcp.Client) else None
            if limit is None:
                return original(connection, data)
            if limit == 0 or not isinstance(limit, int):
                return limit
            return original(connection, bytes(data[:limit]))

        self.patch(tcp.Connection, "writeSomeData", write_some)

    def serve_ok(self) -> FakeUpstream:
        return self.serve(lambda peer, got: peer.write(ok(b"fine")))

    async def send_bodies(self, *bodies: bytes) -> None:
        for body in bodies:
            response = await self.transport.send(self.request(body))
            self.assertEqual(await response.collect(10), b"fine")

    async def test_request_that_is_accepted_in_parts_is_complete(self) -> None:
        script = self.serve_ok()
        self.limit_writes([10, 0, 7, None, 3])
        bodies = [b"one" * 100, b"two" * 100, b"three" * 100]
        await self.send_bodies(*bodies)
        self.assertEqual([got.body for got in script.requests], bodies)
        self.assertEqual(len(script.peers), 1)

    async def test_large_request_that_is_accepted_in_parts_is_complete(self) -> None:
        script = self.serve_ok()
        body = bytes(range(256)) * 16 * 1024
        for accepted in ([], [0], [None, 5, 0, 100_000, 0, 1], [None, 0], [10] * 50):
            self.limit_writes(list(accepted))
            await self.send_bodies(body, b"small")
        self.assertEqual([got.body for got in script.requests], [body, b"small"] * 5)
        self.assertEqual(len(script.peers), 1)

    async def test_requests_of_all_sizes_are_sent_in_order(self) -> None:
        script = self.serve_ok()
        bodies = [b"a" * size for size in (1, 70_000, 2, 300_000, 3, 1_000_000, 4)]
        await self.send_bodies(*bodies)
        self.assertEqual([got.body for got in script.requests], bodies)
        self.assertEqual(len(script.peers), 1)

    async def test_small_request_is_one_call(self) -> None:
        self.serve_ok()
        calls: list[int] = []
        original = tcp.Connection.writeSomeData

        def write_some(connection: Any, data: Any) -> Any:
            if isinstance(connection, tcp.Client):
                calls.append(len(data))
            return original(connection, data)

        await self.send_bodies(b"connect")
        self.patch(tcp.Connection, "writeSomeData", write_some)
        watched: list[Any] = []
        self.patch(tcp.Client, "startWriting", lambda client: watched.append(client))
        await self.send_bodies(b"one", b"two")
        self.assertEqual(len(calls), 2)
        self.assertEqual(watched, [])

    async def test_lost_connection_is_noticed(self) -> None:
        script = self.serve_ok()
        self.limit_writes([main.CONNECTION_LOST] * 3)
        await self.failing(self.transport.send(self.request()), UpstreamError)
        self.assertEqual(script.requests, [])
        self.assertEqual(self.transport.active, set())
