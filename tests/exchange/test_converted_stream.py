"""A stream that a thread works on: order, back-pressure, ends, with no thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.streams.converted import BACKLOG, PIECE, ConvertedStream
from antigravity.ir.errors import GatewayError, UpstreamError


class Thread:
    """A thread that works when it is told."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append((done, function, arguments))
        return done

    def work(self) -> None:
        """Do the one job that there is."""
        [(done, function, arguments)] = self.jobs
        self.jobs = []
        try:
            result = function(*arguments)
        except Exception as error:  # noqa: BLE001 - it goes where it belongs
            done.errback(error)
        else:
            done.callback(result)


class Source:
    """The pump."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.written: Deferred[None] = Deferred()
        self.consumer: Any = None

    def start(self, consumer: Any) -> Deferred[None]:
        self.consumer = consumer
        consumer.registerProducer(self, True)
        return self.written

    def end(self, error: GatewayError | None = None) -> None:
        self.consumer.unregisterProducer()
        if error is None:
            self.written.callback(None)
        else:
            self.written.errback(error)

    def abandon(self) -> None:
        self.asked.append("abandon")

    def pauseProducing(self) -> None:
        self.asked.append("pause")

    def resumeProducing(self) -> None:
        self.asked.append("resume")


class Consumer:
    """The client."""

    def __init__(self) -> None:
        self.producer: Any = None
        self.written: list[bytes] = []

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.written.append(data)


class UpperCaseConverter:
    """A converter: upper case."""

    def __init__(self, last: bytes = b"") -> None:
        self.last = last

    def convert(self, data: bytes) -> bytes:
        if data == b"boom":
            raise ValueError(data)
        return data.upper()

    def finish(self) -> bytes:
        return b"!"

    def failed(self, error: GatewayError) -> bytes:
        return self.last


class ConvertedStreamTests(SynchronousTestCase):
    """One stream between a pump and a client."""

    def begin(self, last: bytes = b"") -> None:
        self.thread, self.source, self.client = Thread(), Source(), Consumer()
        self.stream = ConvertedStream(self.source, UpperCaseConverter(last), self.thread)  # type: ignore[arg-type]
        self.written = self.stream.start(self.client)  # type: ignore[arg-type]

    def test_pieces_are_converted_in_order_one_at_a_time(self) -> None:
        self.begin()
        self.stream.write(b"a")
        self.stream.write(b"b")
        self.stream.write(b"c")
        self.assertEqual(len(self.thread.jobs), 1)
        self.thread.work()
        self.thread.work()
        self.assertEqual(self.client.written, [b"A", b"BC"])
        self.source.end()
        self.assertNoResult(self.written)
        self.thread.work()
        self.assertEqual(self.client.written, [b"A", b"BC", b"!"])
        self.assertIsNone(self.client.producer)
        self.successResultOf(self.written)

    def test_end_waits_for_running_conversion(self) -> None:
        self.begin()
        self.stream.write(b"a")
        self.source.end()
        self.assertNoResult(self.written)
        self.thread.work()
        self.thread.work()
        self.assertEqual(self.client.written, [b"A", b"!"])
        self.successResultOf(self.written)

    def test_backlog_pauses_upstream(self) -> None:
        self.begin()
        self.stream.write(b"a")
        self.stream.write(b"b" * BACKLOG)
        self.assertEqual(self.source.asked, [])
        self.stream.write(b"c" * PIECE)
        self.assertEqual(self.source.asked, ["pause"])
        self.thread.work()
        self.assertEqual(self.source.asked, ["pause", "resume"])
        self.assertEqual(len(self.thread.jobs[0][2][0]), PIECE)

    def test_paused_client_pauses_upstream_and_output(self) -> None:
        self.begin()
        self.stream.write(b"a")
        self.client.producer.pauseProducing()
        self.stream.write(b"b")
        self.thread.work()
        self.assertEqual(self.thread.jobs, [])
        self.assertEqual(self.source.asked, ["pause"])
        self.client.producer.resumeProducing()
        self.assertEqual(self.source.asked, ["pause", "resume"])
        self.thread.work()
        self.assertEqual(self.client.written, [b"A", b"B"])

    def test_disconnected_client_stops_upstream(self) -> None:
        self.begin()
        self.stream.write(b"a")
        self.client.producer.stopProducing()
        self.assertEqual(self.source.asked, ["abandon"])
        self.thread.work()
        self.stream.write(b"b")
        self.assertEqual(self.client.written, [])
        self.assertEqual(self.thread.jobs, [])

    def test_cancelling_stops_upstream(self) -> None:
        self.begin()
        self.written.cancel()
        self.assertEqual(self.source.asked, ["abandon"])
        self.failureResultOf(self.written)

    def test_stream_that_cannot_carry_error_fails(self) -> None:
        self.begin()
        self.stream.write(b"a")
        self.stream.write(b"b")
        self.source.end(UpstreamError("Lost."))
        self.assertNoResult(self.written)
        self.thread.work()
        self.assertEqual(self.client.written, [])
        self.failureResultOf(self.written, UpstreamError)
        self.assertIsNone(self.client.producer)

    def test_converter_writes_error(self) -> None:
        self.begin(b"<lost>")
        self.stream.write(b"a")
        self.thread.work()
        self.source.end(UpstreamError("Lost."))
        self.assertEqual(self.client.written, [b"A", b"<lost>"])
        self.successResultOf(self.written)

    def test_failed_conversion_ends_stream(self) -> None:
        self.begin()
        self.stream.write(b"boom")
        self.thread.work()
        failure = self.failureResultOf(self.written, GatewayError)
        self.assertIn("log", failure.value.message)
        self.assertEqual(self.source.asked, ["abandon"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
