"""Turns: the time of one turn of the event loop, and the order of what waits."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.turns import BUDGET, UNMEASURED, Turns


class Loop(Clock):
    """A clock whose time goes on while something is computed; one turn at a time."""

    def compute(self, seconds: float) -> None:
        """Take ``seconds`` without letting anything else happen."""
        self.rightNow += seconds

    def turn(self) -> None:
        """Make the calls that are due now, and not those that they ask for."""
        due, self.calls = self.calls, []
        for call in due:
            call.called = 1
            call.func(*call.args, **call.kw)


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.loop = Loop()
        self.turns = Turns(self.loop)
        self.begun: list[int] = []

    def work(self, number: int) -> None:
        """Work on one request for a little longer than half a turn."""
        self.begun.append(number)
        self.loop.compute(0.6 * BUDGET)

    def request(self, number: int) -> None:
        waiting = self.turns.reserve()
        if waiting is None:
            self.work(number)
        else:
            waiting.addCallback(lambda _: self.work(number))

    def test_requests_beyond_the_time_of_a_turn_wait_for_the_next_in_their_order(self) -> None:
        for number in range(7):
            self.request(number)
        self.assertEqual(self.begun, [0, 1])
        self.loop.turn()
        self.assertEqual(self.begun, [0, 1, 2, 3])
        self.request(7)
        self.loop.turn()
        self.loop.turn()
        self.assertEqual(self.begun, [0, 1, 2, 3, 4, 5, 6, 7])

    def test_single_request_does_not_wait(self) -> None:
        for number in range(3):
            self.request(number)
            self.loop.turn()
            self.loop.turn()
            self.assertEqual(self.begun[-1], number)

    def test_cancelled_request_leaves_the_queue(self) -> None:
        self.request(0)
        self.request(1)
        gone = self.turns.reserve()
        self.request(2)
        assert gone is not None
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.loop.turn()
        self.assertEqual(self.begun, [0, 1, 2])

    def test_small_requests_are_not_measured_until_they_add_up(self) -> None:
        admitted = 0
        while not self.loop.getDelayedCalls():
            self.assertIsNone(self.turns.reserve(1024))
            admitted += 1
        self.assertGreater(admitted, 5)
        self.assertLess(admitted * 1024, UNMEASURED)
        self.loop.compute(1.1 * BUDGET)
        self.assertIsNotNone(self.turns.reserve(1024))
        self.loop.turn()
        self.loop.turn()
        self.assertIsNone(self.turns.reserve(1024))
        self.assertEqual(self.loop.getDelayedCalls(), [])

    def test_no_call_is_scheduled_without_waiting_requests(self) -> None:
        self.request(0)
        self.loop.turn()
        self.assertEqual(self.loop.getDelayedCalls(), [])
