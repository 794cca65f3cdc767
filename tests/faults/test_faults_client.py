"""Whatever a client does, nothing runs on for nobody and nothing fills the memory."""

from __future__ import annotations

import gzip
import json
import socket
import sys
from typing import Any

from twisted.internet.task import deferLater

from tests.faults.fixtures import (
    WAYS,
    FaultCase,
    HttpResponse,
    check_complete,
    check_refusal,
    model_of,
    path_and_body,
    reactor,
)
from tests.support.conditions import eventually

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SERVERS = [way for way in WAYS if way[0] == way[1]] + [("openai_completions", "openai_chat")]
SLOWLY = "[[chunks 400]] [[delay 0.02]] [[tokens 2000]]"


class DisconnectTests(FaultCase):
    async def left(self) -> None:
        """Wait until the simulator has seen its client go."""
        await eventually(lambda: self.simulator.stats.open_streams == 0, 1.0)

    async def test_disconnect_before_response_cancels_upstream(self) -> None:
        await self.start()
        for way in WAYS:
            for stream in (True, False):
                before = self.simulator.stats.cancelled_streams
                reading = await self.begin(way, "[[ttft 9]] hello", stream=stream)
                await eventually(lambda: self.simulator.stats.open_streams == 1)
                reading.transport.abortConnection()  # type: ignore[union-attr]
                await self.left()
                self.assertEqual(self.simulator.stats.cancelled_streams, before + 1, way)

    async def test_disconnect_in_stream_cancels_upstream(self) -> None:
        await self.start()
        for way in WAYS:
            reading = await self.begin(way, SLOWLY)
            await reading.until(b"\r\n\r\n")
            await eventually(lambda: self.simulator.stats.open_streams == 1)
            reading.transport.loseConnection()  # type: ignore[union-attr]
            await self.left()

    async def test_paused_client_pauses_upstream(self) -> None:
        await self.start()
        for way in (("openai_chat", "openai_chat"), ("gemini", "openai_chat")):
            # more than the buffers of the system hold, which may grow to 36 MiB
            reading = await self.begin(way, "[[chunks 600]] [[tokens 6000000]]")
            handle = reading.transport.getHandle()  # type: ignore[union-attr]
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            await reading.until(b"\r\n\r\n")
            reading.transport.pauseProducing()  # type: ignore[union-attr]
            await deferLater(reactor, 0.3)
            self.assertEqual(self.simulator.stats.open_streams, 1, way)
            self.assertLess(len(reading.data), 3_000_000)
            reading.transport.resumeProducing()  # type: ignore[union-attr]
            held = len(reading.data)
            await eventually(lambda r=reading, h=held: len(r.data) > h)
            reading.transport.abortConnection()  # type: ignore[union-attr]
            await self.left()


class RequestBodyTests(FaultCase):
    async def test_too_large_body_is_rejected(self) -> None:
        await self.start(max_body_bytes=2000)
        for way in SERVERS:
            path, body = path_and_body(way[0], model_of(way), "x" * 3000, stream=True)
            packed = gzip.compress(json.dumps(body).encode())
            self.assertLess(len(packed), 2000)
            for data, headers in ((body, ()), (packed, ("Content-Encoding: gzip",))):
                reading = await self.send(path, data, headers=headers)
                await reading.closed
                check_refusal(way[0], HttpResponse(reading.data), 413)
        self.assertEqual(self.simulator.stats.requests, 0)

    async def test_compressed_bodies_are_accepted(self) -> None:
        await self.start()
        for way in WAYS:
            path, body = path_and_body(way[0], model_of(way), "[[say fine]]", stream=True)
            plain = json.dumps(body).encode()
            for name, data in (("gzip", gzip.compress(plain)), ("zstd", zstd.compress(plain))):
                reading = await self.send(path, data, headers=(f"Content-Encoding: {name}",))
                await reading.closed
                check_complete(way[0], HttpResponse(reading.data), "fine")

    async def test_missing_body_times_out(self) -> None:
        await self.start(body_timeout=0.2, idle_timeout=0.2)
        for way in SERVERS:
            path, _ = path_and_body(way[0], model_of(way), "hello", stream=True)
            reading = await self.connect()
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\n{{"
            reading.transport.write(head.encode())  # type: ignore[union-attr]
            await reading.closed
            answer = HttpResponse(reading.data)
            check_refusal(way[0], answer, 408)
        reading = await self.connect()
        reading.transport.write(b"POST /v1/mess")  # type: ignore[union-attr]
        await reading.closed

    async def test_invalid_bodies_are_rejected(self) -> None:
        await self.start()
        for way in SERVERS:
            path, _ = path_and_body(way[0], model_of(way), "hello", stream=True)
            for data in (b"{", b"[]", b"\xff", b"null", b'{"model": 1}'):
                reading = await self.send(path, data)
                await reading.closed
                check_refusal(way[0], HttpResponse(reading.data), 400)


class KeepAliveTests(FaultCase):
    async def test_silent_stream_gets_keep_alives_of_protocol(self) -> None:
        await self.start(keepalive_interval=0.05)
        prompt = "[[chunks 2]] [[delay 1]] one two three four"
        readings = {way: await self.begin(way, prompt) for way in WAYS}
        for way, reading in readings.items():
            await reading.closed
            answer = HttpResponse(reading.data)
            self.assertTrue(answer.whole)
            comments = answer.body.count(b": keep-alive\n\n")
            pings = answer.body.count(b'event: ping\ndata: {"type": "ping"}') + answer.body.count(
                b'event: ping\ndata: {"type":"ping"}'
            )
            match way[0]:
                case "gemini":
                    self.assertEqual((comments, pings), (0, 0), way)
                    self.assertNotIn(b"\n:", answer.body)
                    self.assertFalse(answer.body.startswith(b":"))
                case "anthropic":
                    self.assertEqual(comments, 0, way)
                    self.assertGreater(pings, 2, way)
                case _:
                    self.assertGreater(comments, 2, way)
            self.assertTrue(answer.events())

    async def test_keep_alives_leave_gemini_array_valid_json(self) -> None:
        await self.start(keepalive_interval=0.05)
        for way in WAYS[-2:]:
            path, body = path_and_body(
                "gemini", model_of(way), "[[chunks 2]] [[delay 0.3]] one two three", stream=True
            )
            reading = await self.send(path.replace("?alt=sse", "?alt=json"), body)
            await reading.closed
            answer = HttpResponse(reading.data)
            self.assertTrue(answer.headers["content-type"].startswith("application/json"))
            self.assertEqual((answer.body[:1], answer.body[-1:]), (b"[", b"]"))
            self.assertIn("one", json.dumps(json.loads(answer.body)))


class ShutdownTests(FaultCase):
    async def test_shutdown_waits_for_running_stream(self) -> None:
        for way in WAYS:
            await self.start(shutdown_grace=5.0)
            prompt = "[[chunks 4]] [[delay 0.05]] one two three four five"
            stream = await self.begin(way, prompt)
            whole = await self.begin(way, prompt, stream=False)
            await eventually(lambda: self.simulator.stats.open_streams == 2)
            gateway: Any = self.gateway
            await gateway.stopService()
            await stream.closed
            await whole.closed
            check_complete(way[0], HttpResponse(stream.data), "one")
            self.assertEqual(HttpResponse(whole.data).status, 200)
            self.assertTrue(HttpResponse(whole.data).whole)

    async def test_draining_gateway_accepts_no_connection(self) -> None:
        await self.start(shutdown_grace=5.0)
        reading = await self.begin(WAYS[0], "[[chunks 4]] [[delay 0.1]] one two three four five")
        await eventually(lambda: self.simulator.stats.open_streams == 1)
        gateway: Any = self.gateway
        stopped = gateway.stopService()
        await deferLater(reactor, 0.02)
        try:
            await self.connect()
        except Exception as error:  # noqa: BLE001 - any refusal will do
            self.assertIn("refused", str(error).lower())
        else:
            self.fail("a connection was accepted")
        await stopped
        await reading.closed

    async def check_cut(self, *, stop_waiting: bool) -> None:
        for way in WAYS:
            await self.start(shutdown_grace=9.0 if stop_waiting else 0.1)
            reading = await self.begin(way, SLOWLY)
            await reading.until(b"\r\n\r\n")
            gateway: Any = self.gateway
            stopped = gateway.stopService()
            if stop_waiting:
                await deferLater(reactor, 0.02)
                self.assertFalse(stopped.called)
                gateway.stop_waiting()
            await stopped
            await eventually(lambda: self.simulator.stats.open_streams == 0)
            await reading.closed
            answer = HttpResponse(reading.data)
            self.assertTrue(answer.whole, "no reset")
            self.assertIn(b"shutting down", answer.body)

    async def test_shutdown_grace_ends_long_streams(self) -> None:
        await self.check_cut(stop_waiting=False)

    async def test_second_signal_ends_streams_at_once(self) -> None:
        await self.check_cut(stop_waiting=True)

    async def test_gateway_can_be_stopped_twice_without_requests(self) -> None:
        await self.start()
        gateway: Any = self.gateway
        await gateway.stopService()
        await gateway.stopService()

    async def test_idle_connection_does_not_delay_shutdown(self) -> None:
        await self.start(shutdown_grace=9.0)
        path, body = path_and_body("openai_chat", model_of(WAYS[0]), "[[say fine]]", stream=False)
        reading = await self.send(path, body, keep=True)
        await reading.until(b"fine")
        gateway: Any = self.gateway
        await gateway.stopService()
        await reading.closed
