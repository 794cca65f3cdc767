"""MergedStream: order, back-pressure, keep-alives, and clients that disconnect."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.fanout.merged_stream import MergedStream
from tests.exchange.fakes import FakeConsumer, FakeTransport


class FakeEncoder:
    """An encoder whose end writes nothing."""

    def keepalive(self) -> bytes:
        return b":\n\n"

    def end(self) -> bytes:
        return b""


class MergedStreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.cancelled: list[bool] = []
        self.consumer = FakeConsumer()
        encoder: Any = FakeEncoder()
        self.stream = MergedStream(self.clock, 15.0, encoder, lambda: self.cancelled.append(True))

    def started(self) -> Any:
        return self.stream.start(self.consumer)

    def test_stream_writes_held_output_first(self) -> None:
        self.stream.write(b"a")
        written = self.started()
        self.stream.write(b"b")
        self.assertNoResult(written)
        self.stream.end(None)
        self.successResultOf(written)
        self.assertEqual(self.consumer.written, [b"a", b"b"])
        self.assertIsNone(self.consumer.producer)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.cancelled, [])

    def test_stream_that_ended_before_start_is_written(self) -> None:
        self.stream.write(b"a")
        self.stream.end(None)
        self.successResultOf(self.started())
        self.assertEqual(self.consumer.written, [b"a"])

    def test_paused_stream_holds_output_until_resumed(self) -> None:
        written = self.started()
        self.stream.pauseProducing()
        self.stream.write(b"a")
        self.stream.end(None)
        self.clock.advance(20)
        self.assertEqual(self.consumer.written, [])
        self.stream.resumeProducing()
        self.successResultOf(written)
        self.assertEqual(self.consumer.written, [b"a"])

    def test_idle_stream_sends_keepalives(self) -> None:
        self.started()
        self.clock.pump([15.0, 15.0])
        self.assertEqual(self.consumer.written, [b":\n\n", b":\n\n"])
        self.stream.end(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_disconnect_cancels_branches_once(self) -> None:
        self.started()
        self.stream.stopProducing()
        self.stream.abandon()
        self.stream.write(b"a")
        self.stream.end(None)
        self.assertEqual(self.cancelled, [True])
        self.assertEqual(self.consumer.written, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelling_written_cancels_branches(self) -> None:
        written = self.started()
        written.cancel()
        self.failureResultOf(written, CancelledError)
        self.assertEqual(self.cancelled, [True])

    def test_pause_pauses_registered_producers(self) -> None:
        producer, late = FakeTransport(), FakeTransport()
        self.stream.add(producer)  # type: ignore[arg-type]
        self.started()
        self.stream.pauseProducing()
        self.stream.add(late)  # type: ignore[arg-type]
        self.assertEqual((producer.asked, late.asked), (["pause"], ["pause"]))
        self.stream.remove(late)  # type: ignore[arg-type]
        self.stream.resumeProducing()
        self.assertEqual((producer.asked, late.asked), (["pause", "resume"], ["pause"]))
        self.stream.end(None)
