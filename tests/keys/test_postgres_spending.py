"""Reservations of which nobody knows whether the server has made them."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.interfaces.spending import SpendClaim
from antigravity.interfaces.state import StateError
from antigravity.keys.postgres_spending import PostgresSpending
from antigravity.stores.postgres_pool import UnsentError

CLAIMS = [SpendClaim("key_a/day", "d", 1, 10)]


class FakePool:
    """A server whose next reply is given."""

    def __init__(self) -> None:
        self.reply: Any = succeed([(True, 0, 1)])
        self.sent: list[str] = []

    def query(self, sql: str, parameters: Any) -> Any:
        self.sent.append(f"{sql.split('(')[0].split()[-1]} {parameters[0]}")
        reply, self.reply = self.reply, succeed([])
        return reply


class FakeStore:
    def load(self) -> dict[str, Any]:
        return {}

    def watch(self, snapshot: Any) -> None:
        return None

    def changed(self) -> None:
        return None

    def stop(self) -> Any:
        return succeed(None)


class DoubtTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.pool = Clock(), FakePool()
        store: Any = FakeStore()
        pool: Any = self.pool
        self.spending = PostgresSpending(self.clock, pool, lambda: succeed(None), store)
        self.spending.start()
        self.addCleanup(self.spending.stop)

    def test_reservation_without_reply_is_settled_when_it_is_certainly_over(self) -> None:
        self.pool.reply = fail(StateError("no reply"))
        self.failureResultOf(self.spending.reserve("r", CLAIMS), StateError)
        self.successResultOf(self.spending.settle("r", 5))
        self.assertEqual((self.pool.sent, self.spending.unsettled), (["reserve r"], 1))
        self.clock.advance(5)
        self.assertEqual(self.pool.sent, ["reserve r"])
        self.clock.advance(2)
        self.assertEqual((self.pool.sent, self.spending.unsettled), (["reserve r", "settle r"], 0))

    def test_cancelled_reservation_is_settled_as_well(self) -> None:
        self.pool.reply = Deferred()
        asked = self.spending.reserve("r", CLAIMS)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.successResultOf(self.spending.settle("r", 0))
        self.clock.advance(7)
        self.assertEqual(self.pool.sent, ["reserve r", "settle r"])

    def test_reservation_that_was_not_sent_is_not_settled(self) -> None:
        self.pool.reply = fail(UnsentError("away"))
        self.failureResultOf(self.spending.reserve("r", CLAIMS), StateError)
        self.successResultOf(self.spending.settle("r", 0))
        self.clock.advance(60)
        self.assertEqual(self.pool.sent, ["reserve r"])
