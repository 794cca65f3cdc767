"""The pump: commit point, back-pressure, cancellation, keep-alives, with no socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone

from antigravity.exchange.streams import pump
from antigravity.exchange.streams.bounds import HELD_COST, HELD_LIMIT
from antigravity.exchange.streams.pump import Pump
from antigravity.exchange.streams.raw import RawStream
from antigravity.ir.errors import CancelledByClientError, GatewayError, UpstreamError
from tests.exchange.fakes import FakeConsumer, FakeTransport


class UpperCaseTranslator:
    """A translator: upper case comes out, ``!`` begins, ``.`` ends."""

    def __init__(self) -> None:
        self.meaningful = False
        self.over = False
        self.failure: GatewayError | None = None
        self.usage = None

    def feed(self, data: bytes) -> bytes:
        self.meaningful = self.meaningful or b"!" in data
        self.over = b"." in data
        return data.upper()

    def end(self, error: GatewayError | None) -> bytes:
        self.over = True
        self.failure = error
        return b"<error>" if error else b"<end>"

    def keepalive(self) -> bytes:
        return b"<ping>"


class PumpTests(SynchronousTestCase):
    """One pump between a translator and two sides."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.translator = UpperCaseTranslator()
        self.upstream = FakeTransport()
        self.consumer = FakeConsumer()
        self.ends: list[GatewayError | None] = []
        self.pump = Pump(self.translator, self.clock, 15.0, self.ends.append)
        self.pump.makeConnection(self.upstream)  # type: ignore[arg-type]

    def begun(self) -> Any:
        """Start the stream after the answer has begun."""
        self.pump.dataReceived(b"a!")
        return self.pump.start(self.consumer)

    def test_pump_holds_output_until_content(self) -> None:
        self.pump.dataReceived(b"role")
        self.assertNoResult(self.pump.begun)
        self.assertEqual(self.upstream.asked, [])
        self.pump.dataReceived(b"hi!")
        self.successResultOf(self.pump.begun)
        self.assertEqual(self.upstream.asked, ["pause"])

    def test_pump_writes_held_output_first(self) -> None:
        self.pump.dataReceived(b"role")
        self.begun()
        self.pump.dataReceived(b"b")
        self.assertEqual(b"".join(self.consumer.written), b"ROLEA!B")
        self.assertIs(self.consumer.streaming, True)
        self.assertEqual(self.upstream.asked, ["pause", "resume"])

    def test_pump_adds_up_the_time_of_translation_alone(self) -> None:
        def feed(data: bytes) -> bytes:
            self.clock.rightNow += 0.25
            return data

        self.begun()
        self.pump.translator.feed = feed  # type: ignore[method-assign]
        for _ in range(2):
            self.clock.advance(2.0)
            self.pump.dataReceived(b"b")
        self.assertEqual(self.pump.take_spent(), 0.5)
        self.assertEqual(self.pump.take_spent(), 0.0)

    def test_pump_writes_and_reports_end_once(self) -> None:
        written = self.begun()
        self.pump.connectionLost(Failure(ResponseDone()))
        self.successResultOf(written)
        self.assertEqual(self.consumer.written[-1], b"<end>")
        self.assertIsNone(self.consumer.producer)
        self.assertEqual(self.ends, [None])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lost_connection_becomes_error_in_stream(self) -> None:
        written = self.begun()
        self.pump.connectionLost(Failure(ConnectionLost()))
        self.successResultOf(written)
        self.assertEqual(self.consumer.written[-1], b"<error>")
        self.assertIsInstance(self.ends[0], UpstreamError)

    def test_stream_that_ended_before_its_client_left_is_reported_once(self) -> None:
        self.pump.dataReceived(b"a!")
        self.pump.connectionLost(Failure(ResponseDone()))
        self.assertEqual(self.ends, [])
        self.pump.abandon()
        self.pump.abandon()
        self.assertEqual([type(each) for each in self.ends], [CancelledByClientError])

    def test_stream_that_failed_before_its_client_left_reports_why(self) -> None:
        self.pump.dataReceived(b"a!")
        self.pump.connectionLost(Failure(ConnectionLost()))
        self.pump.abandon()
        self.assertEqual([type(each) for each in self.ends], [UpstreamError])

    def test_stream_that_was_written_is_not_reported_again(self) -> None:
        self.begun()
        self.pump.connectionLost(Failure(ResponseDone()))
        self.pump.abandon()
        self.assertEqual(self.ends, [None])

    def test_lost_connection_before_content_is_left_to_caller(self) -> None:
        self.pump.connectionLost(Failure(UpstreamError("idle")))
        self.successResultOf(self.pump.begun)
        assert self.translator.failure is not None
        self.assertEqual(self.translator.failure.message, "idle")
        self.assertEqual(self.ends, [])

    def test_pump_holds_a_bounded_amount_before_the_response_begins(self) -> None:
        self.pump.dataReceived(b"p" * HELD_LIMIT)
        self.successResultOf(self.pump.begun)
        assert self.pump.error is not None
        self.assertEqual(self.pump.error.status, 502)
        self.assertEqual(self.pump.error.code, "answer_too_large")
        self.assertEqual(self.upstream.asked, ["stop"])
        self.pump.dataReceived(b"p" * HELD_LIMIT)
        self.assertEqual(self.pump._held, [])

    def test_pump_gives_up_when_too_much_is_dropped_before_the_response_begins(self) -> None:
        self.pump.translator.feed = lambda data: b""  # type: ignore[method-assign]
        self.patch(pump, "RESPONSE_LIMIT", 1000)
        self.pump.dataReceived(b"p" * 1000)
        self.assertIsNone(self.pump.error)
        self.pump.dataReceived(b"p")
        self.successResultOf(self.pump.begun)
        assert self.pump.error is not None
        self.assertEqual((self.pump.error.status, self.pump.error.code), (502, "answer_too_large"))
        self.assertEqual(self.upstream.asked, ["stop"])

    def test_pump_counts_overhead_of_small_pieces_before_the_response_begins(self) -> None:
        for _ in range(HELD_LIMIT // HELD_COST):
            self.pump.dataReceived(b"p")
        self.successResultOf(self.pump.begun)
        self.assertEqual(self.upstream.asked, ["stop"])

    def test_pump_passes_on_any_amount_once_the_response_has_begun(self) -> None:
        self.begun()
        for _ in range(3):
            self.pump.dataReceived(b"p" * HELD_LIMIT)
        self.assertIsNone(self.pump.error)

    def test_slow_client_pauses_upstream(self) -> None:
        self.begun()
        self.consumer.producer.pauseProducing()
        self.consumer.producer.resumeProducing()
        self.assertEqual(self.upstream.asked, ["pause", "resume", "pause", "resume"])

    def test_disconnected_client_stops_upstream(self) -> None:
        written = self.begun()
        written.cancel()
        self.failureResultOf(written)
        self.assertEqual(self.upstream.asked[-1], "stop")
        self.assertIsInstance(self.ends[0], CancelledByClientError)
        before = list(self.consumer.written)
        self.pump.dataReceived(b"late")
        self.pump.connectionLost(Failure(ResponseDone()))
        self.assertEqual(self.consumer.written, before)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_translator_that_is_over_stops_upstream(self) -> None:
        written = self.begun()
        self.pump.dataReceived(b"that is all.")
        self.successResultOf(written)
        self.assertEqual(self.upstream.asked[-1], "stop")
        self.assertEqual(self.ends, [None])

    def test_keepalives_are_sent_only_when_idle(self) -> None:
        self.begun()
        self.clock.advance(14.0)
        self.pump.dataReceived(b"b")
        self.clock.advance(14.0)
        self.assertNotIn(b"<ping>", self.consumer.written)
        self.clock.advance(1.1)
        self.assertEqual(self.consumer.written.count(b"<ping>"), 1)
        self.clock.advance(15.1)
        self.assertEqual(self.consumer.written.count(b"<ping>"), 2)

    def test_paused_client_gets_no_keepalives(self) -> None:
        self.begun()
        self.consumer.producer.pauseProducing()
        for _ in range(5):
            self.clock.advance(15.1)
        self.assertNotIn(b"<ping>", self.consumer.written)

    def test_stream_that_ended_before_start_is_written(self) -> None:
        self.pump.dataReceived(b"all!")
        self.pump.connectionLost(Failure(ResponseDone()))
        written = self.pump.start(self.consumer)
        self.successResultOf(written)
        self.assertEqual(b"".join(self.consumer.written), b"ALL!<end>")
        self.assertIsNone(self.consumer.producer)


class RawStreamTests(SynchronousTestCase):
    """A file on its way: every byte as it came, and a cut stays a cut."""

    def setUp(self) -> None:
        self.upstream = FakeTransport()
        self.consumer = FakeConsumer()
        self.ends: list[GatewayError | None] = []
        self.pump = Pump(RawStream(), Clock(), 15.0, self.ends.append, abort_on_error=True)
        self.pump.makeConnection(self.upstream)  # type: ignore[arg-type]
        self.pump.dataReceived(b"RIFF")
        self.written = self.pump.start(self.consumer)
        self.pump.dataReceived(b"\x00\xff")

    def test_whole_file_is_written(self) -> None:
        self.consumer.producer.pauseProducing()
        self.assertEqual(self.upstream.asked[-1], "pause")
        self.pump.connectionLost(Failure(ResponseDone()))
        self.successResultOf(self.written)
        self.assertEqual(b"".join(self.consumer.written), b"RIFF\x00\xff")
        self.assertEqual(self.ends, [None])

    def test_truncated_file_fails(self) -> None:
        self.pump.connectionLost(Failure(ConnectionLost()))
        self.failureResultOf(self.written, UpstreamError)
        self.assertEqual(b"".join(self.consumer.written), b"RIFF\x00\xff")
        self.assertIsNone(self.consumer.producer)
        self.assertIsInstance(self.ends[0], UpstreamError)


class FailingTranslator(UpperCaseTranslator):
    """A translator with a fault: it cannot read ``?``, and ``*`` breaks its end, too."""

    def feed(self, data: bytes) -> bytes:
        if b"?" in data or b"*" in data:
            self.lame = b"*" in data
            raise KeyError("says")
        return super().feed(data)

    def end(self, error: GatewayError | None) -> bytes:
        if getattr(self, "lame", error is None):
            raise TypeError("no end")
        return super().end(error)


class FailingTranslatorTests(SynchronousTestCase):
    """A protocol that raises where it should not: in the log, and the end of the stream."""

    def setUp(self) -> None:
        self.upstream = FakeTransport()
        self.consumer = FakeConsumer()
        self.ends: list[GatewayError | None] = []
        self.pump = Pump(FailingTranslator(), Clock(), 0, self.ends.append)
        self.pump.makeConnection(self.upstream)  # type: ignore[arg-type]

    def test_stream_ends_with_error_of_translator(self) -> None:
        self.pump.dataReceived(b"a!")
        written = self.pump.start(self.consumer)
        self.pump.dataReceived(b"b?")
        self.successResultOf(written)
        self.assertEqual(b"".join(self.consumer.written), b"A!<error>")
        self.assertEqual(self.upstream.asked[-1], "stop")
        assert self.ends[0] is not None
        self.assertIn("log says why", self.ends[0].message)
        self.assertNotIn("says'", self.ends[0].message)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_stream_that_cannot_carry_error_fails(self) -> None:
        self.pump.dataReceived(b"a!")
        written = self.pump.start(self.consumer)
        self.pump.dataReceived(b"b*")
        self.failureResultOf(written, UpstreamError)
        self.assertEqual(b"".join(self.consumer.written), b"A!")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_pump_ends_if_end_of_body_cannot_be_translated(self) -> None:
        self.pump.connectionLost(Failure(ResponseDone()))
        self.successResultOf(self.pump.begun)
        self.assertIsInstance(self.pump.error, UpstreamError)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
