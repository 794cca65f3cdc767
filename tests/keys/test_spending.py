"""Spending in memory: it conforms, and it is bounded."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from antigravity.interfaces.spending import RESERVATION_TTL, SpendClaim
from antigravity.interfaces.state import StateError
from antigravity.keys import spending as module
from antigravity.keys.spending import MemorySpending
from antigravity.testing.spending_conformance import SpendingConformance


class MemorySpendingTests(SpendingConformance, TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.spending = MemorySpending(self.clock.seconds)

    async def open_spending(self) -> Any:
        return self.spending

    async def pass_ttl(self) -> None:
        self.clock.advance(RESERVATION_TTL)


class BoundTests(SynchronousTestCase):
    def test_too_many_reservations_are_refused(self) -> None:
        clock = Clock()
        spending = MemorySpending(clock.seconds)
        claims = [SpendClaim("key_a/day", "d", 1, 100)]
        with patch.object(module, "MOST_RESERVATIONS", 3):
            for number in range(3):
                self.successResultOf(spending.reserve(f"{number}", claims))
            self.failureResultOf(spending.reserve("3", claims), StateError)  # type: ignore[no-untyped-call]
            clock.advance(RESERVATION_TTL)
            for number in range(4, 7):
                self.successResultOf(spending.reserve(f"{number}", claims))
        assert len(spending._reservations) == 3
        assert len(spending._released) <= 3
