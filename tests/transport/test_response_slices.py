"""Slow readers get large data in slices, over several reactor turns."""

from __future__ import annotations

import gzip
from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone

from antigravity.ir.errors import CancelledByClientError, UpstreamError
from antigravity.transport.content_coding import decoder_for
from antigravity.transport.response_body import SLICE, TURN_BUDGET, ResponseBody

END = Failure(ResponseDone())


class Loop(Clock):
    """A clock whose time goes on while something is computed; one turn at a time."""

    def turn(self) -> None:
        """Make the calls that are due now, and not those that they ask for."""
        due = [call for call in self.calls if call.getTime() <= self.rightNow]
        for call in due:
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


class SlowReader(Protocol):
    """Takes ``seconds`` for whatever it is given."""

    def __init__(self, loop: Loop, seconds: float) -> None:
        self.loop = loop
        self.seconds = seconds
        self.got: list[bytes] = []
        self.reason: Any = None
        self.pauses_after = 0

    def dataReceived(self, data: bytes) -> None:
        self.got.append(data)
        self.loop.rightNow += self.seconds
        if len(self.got) == self.pauses_after:
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason.value


class SlicesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.loop = Loop()
        self.killed = self.ended = 0

    def body(self, seconds: float, encoding: str = "") -> SlowReader:
        def kill() -> None:
            self.killed += 1

        def end() -> None:
            self.ended += 1

        reader = SlowReader(self.loop, seconds)
        self.wire = StringTransport()
        self.under_test = ResponseBody(
            reader,
            reactor=self.loop,
            where="h:80",
            abort_connection=kill,
            on_end=end,
            decoder=decoder_for(encoding),
        )
        self.under_test.makeConnection(self.wire)
        return reader

    def turns(self) -> int:
        """Let the loop turn until nothing waits, and return how often that was."""
        count = 0
        while self.loop.calls:
            self.loop.turn()
            count += 1
        return count

    def test_slow_reader_gets_slices_over_several_turns_and_pauses_the_upstream(self) -> None:
        reader = self.body(0.6 * TURN_BUDGET)
        data = bytes(range(256)) * (SLICE // 256) * 6
        self.under_test.dataReceived(data)
        self.assertEqual(len(reader.got), 2)
        self.assertEqual(self.wire.producerState, "paused")
        self.under_test.dataReceived(b"more")
        self.assertEqual(self.turns(), 3)
        self.assertEqual(b"".join(reader.got), data + b"more")
        self.assertLessEqual(max(map(len, reader.got)), SLICE)
        self.assertEqual(self.wire.producerState, "producing")

    def test_fast_reader_gets_everything_in_one_turn(self) -> None:
        reader = self.body(0)
        self.under_test.dataReceived(b"x" * 20 * SLICE)
        self.assertEqual(len(b"".join(reader.got)), 20 * SLICE)
        self.assertEqual(self.loop.calls, [])

    def test_end_follows_pending_data(self) -> None:
        reader = self.body(2 * TURN_BUDGET)
        self.under_test.dataReceived(b"x" * 3 * SLICE)
        self.under_test.connectionLost(END)
        self.assertIsNone(reader.reason)
        self.turns()
        self.assertEqual(len(b"".join(reader.got)), 3 * SLICE)
        self.assertIsInstance(reader.reason, ResponseDone)
        self.assertEqual((self.killed, self.ended), (0, 1))

    def test_decompressed_data_is_sliced(self) -> None:
        reader = self.body(0.6 * TURN_BUDGET, "gzip")
        self.under_test.dataReceived(gzip.compress(bytes(100 * SLICE)))
        self.under_test.connectionLost(END)
        self.assertEqual(len(reader.got), 2)
        self.assertGreater(self.turns(), 40)
        self.assertEqual(b"".join(reader.got), bytes(100 * SLICE))
        self.assertIsInstance(reader.reason, ResponseDone)

    def test_truncated_compression_fails_after_pending_data(self) -> None:
        reader = self.body(2 * TURN_BUDGET, "gzip")
        self.under_test.dataReceived(gzip.compress(bytes(100 * SLICE))[:-9])
        self.under_test.connectionLost(END)
        self.turns()
        self.assertIsInstance(reader.reason, UpstreamError)
        self.assertEqual(self.killed, 0)

    def test_paused_reader_gets_the_rest_when_it_resumes(self) -> None:
        reader = self.body(0)
        reader.pauses_after = 2
        self.under_test.dataReceived(b"x" * 5 * SLICE)
        self.under_test.connectionLost(END)
        self.assertEqual((len(reader.got), reader.reason), (2, None))
        self.under_test.resumeProducing()
        self.assertEqual(len(reader.got), 5)
        self.assertIsInstance(reader.reason, ResponseDone)

    def test_stopped_reader_gets_nothing_more_and_keeps_a_finished_connection(
        self,
    ) -> None:
        reader = self.body(2 * TURN_BUDGET)
        self.under_test.dataReceived(b"x" * 5 * SLICE)
        self.under_test.connectionLost(END)
        self.under_test.stopProducing()
        self.turns()
        self.assertEqual(len(reader.got), 1)
        self.assertIsInstance(reader.reason, CancelledByClientError)
        self.assertEqual((self.killed, self.ended), (0, 1))

    def test_stopped_reader_aborts_a_running_connection(self) -> None:
        reader = self.body(2 * TURN_BUDGET)
        self.under_test.dataReceived(b"x" * 5 * SLICE)
        self.under_test.stopProducing()
        self.assertEqual((self.killed, self.turns()), (1, 0))
        self.under_test.connectionLost(END)
        self.assertEqual(len(reader.got), 1)
        self.assertIsInstance(reader.reason, CancelledByClientError)
