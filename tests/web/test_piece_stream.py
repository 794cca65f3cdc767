"""A stream in pieces goes at the pace of its client, and ends at once when the client leaves."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from antigravity.ir.errors import GatewayError, UnavailableError
from antigravity.web.piece_stream import PieceStream


class Consumer:
    def __init__(self, stream: PieceStream, pause: bool = False) -> None:
        self.stream = stream
        self.written: list[bytes] = []
        self.pause = pause
        self.is_registered = False

    def registerProducer(self, producer: object, streaming: bool) -> None:
        self.is_registered = True

    def unregisterProducer(self) -> None:
        self.is_registered = False

    def write(self, data: bytes) -> None:
        self.written.append(data)
        if self.pause:
            self.stream.pauseProducing()


class PieceStreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[Deferred[bytes]] = []

    def next_piece(self) -> Deferred[bytes]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def start(self, pause: bool = False) -> tuple[Consumer, Deferred[None]]:
        stream = PieceStream(self.next_piece, b"1")
        consumer = Consumer(stream, pause)
        return consumer, stream.start(consumer)

    def test_pieces_are_written_in_order(self) -> None:
        consumer, written = self.start()
        for piece in (b"2", b"3", b""):
            self.assertNoResult(written)
            self.asked[-1].callback(piece)
        self.successResultOf(written)
        self.assertEqual(consumer.written, [b"1", b"2", b"3"])
        self.assertFalse(consumer.is_registered)

    def test_paused_client_is_asked_for_nothing(self) -> None:
        consumer, written = self.start(pause=True)
        self.assertEqual((consumer.written, self.asked), ([b"1"], []))
        consumer.stream.resumeProducing()
        self.assertEqual(len(self.asked), 1)
        consumer.stream.pauseProducing()
        self.asked[0].callback(b"2")
        self.assertEqual(consumer.written, [b"1"])
        consumer.stream.resumeProducing()
        self.assertEqual((consumer.written, len(self.asked)), ([b"1", b"2"], 1))
        consumer.pause = False
        consumer.stream.resumeProducing()
        self.asked[1].callback(b"")
        self.successResultOf(written)

    def test_failure_closes_connection(self) -> None:
        for raised in (UnavailableError("no disk"), ValueError("x")):
            _, written = self.start()
            self.asked[-1].errback(raised)
            self.failureResultOf(written, GatewayError)

    def test_client_that_leaves_ends_it(self) -> None:
        consumer, written = self.start()
        consumer.stream.stopProducing()
        self.successResultOf(written)
        self.asked[0].callback(b"2")
        self.assertEqual((consumer.written, len(self.asked)), ([b"1"], 1))

    def test_cancelled_stream_ends(self) -> None:
        consumer, written = self.start()
        written.cancel()
        self.failureResultOf(written, CancelledError)
        self.asked[0].callback(b"2")
        self.assertEqual(consumer.written, [b"1"])

    def test_many_pieces_that_are_there_need_no_stack(self) -> None:
        pieces = iter([b"x"] * 5000 + [b""])
        stream = PieceStream(lambda: succeed(next(pieces)), b"1")
        consumer = Consumer(stream)
        self.successResultOf(stream.start(consumer))
        self.assertEqual(len(consumer.written), 5001)
