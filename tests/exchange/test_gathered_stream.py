"""Streams that are made here: order, back-pressure, keep-alives, clients that leave."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.fanout.gathered_stream import GatheredStream
from tests.exchange.test_pump import Consumer, Transport


class GatheredStreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.gone: list[bool] = []
        self.consumer = Consumer()
        self.stream = GatheredStream(
            self.clock, 15.0, lambda: b":\n\n", lambda: self.gone.append(True)
        )

    def started(self) -> Any:
        return self.stream.start(self.consumer)

    def test_what_came_before_the_client_reads_comes_first(self) -> None:
        self.stream.write(b"a")
        written = self.started()
        self.stream.write(b"b")
        self.assertNoResult(written)
        self.stream.end()
        self.successResultOf(written)
        self.assertEqual(self.consumer.written, [b"a", b"b"])
        self.assertIsNone(self.consumer.producer)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.gone, [])

    def test_it_may_be_over_before_it_starts(self) -> None:
        self.stream.write(b"a")
        self.stream.end()
        self.successResultOf(self.started())
        self.assertEqual(self.consumer.written, [b"a"])

    def test_a_client_that_does_not_read_gets_nothing_more(self) -> None:
        written = self.started()
        self.stream.pauseProducing()
        self.stream.write(b"a")
        self.stream.end()
        self.clock.advance(20)
        self.assertEqual(self.consumer.written, [])
        self.stream.resumeProducing()
        self.successResultOf(written)
        self.assertEqual(self.consumer.written, [b"a"])

    def test_silence_is_kept_alive(self) -> None:
        self.started()
        self.clock.pump([15.0, 15.0])
        self.assertEqual(self.consumer.written, [b":\n\n", b":\n\n"])
        self.stream.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_client_that_leaves_is_told_of_once(self) -> None:
        self.started()
        self.stream.stopProducing()
        self.stream.abandon()
        self.stream.write(b"a")
        self.stream.end()
        self.assertEqual(self.gone, [True])
        self.assertEqual(self.consumer.written, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelling_it_is_leaving(self) -> None:
        written = self.started()
        written.cancel()
        self.failureResultOf(written, CancelledError)
        self.assertEqual(self.gone, [True])

    def test_those_who_write_are_held_with_it(self) -> None:
        writer, late = Transport(), Transport()
        self.stream.add(writer)  # type: ignore[arg-type]
        self.started()
        self.stream.pauseProducing()
        self.stream.add(late)  # type: ignore[arg-type]
        self.assertEqual((writer.asked, late.asked), (["pause"], ["pause"]))
        self.stream.remove(late)  # type: ignore[arg-type]
        self.stream.resumeProducing()
        self.assertEqual((writer.asked, late.asked), (["pause", "resume"], ["pause"]))
        self.stream.end()
