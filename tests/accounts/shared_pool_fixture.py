"""Pools of several gateways that share what they learn about accounts, on one fake clock."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.accounts.pool_fixture import BEGINNING, PoolFixture
from tests.support.shared_memory import SharedMemory


class SharedPoolCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(BEGINNING)
        self.shared = SharedMemory(self.clock)
        self.disabled: dict[PoolFixture, list[Any]] = {}

    def pool(self, *accounts: str, on_loss: str = "local", **options: Any) -> PoolFixture:
        """Return the pool of another gateway."""
        state = self.shared.gateway(on_loss=on_loss)
        self.addCleanup(state.stop)
        kit = PoolFixture(accounts or ("a", "b"), clock=self.clock, shared=state, **options)
        kit.reload()
        assert kit.pool.shared_accounts is not None
        self.disabled[kit] = found = []
        kit.pool.shared_accounts.disable = lambda *each: found.append(each)
        self.successResultOf(kit.pool.start_sharing())
        self.addCleanup(kit.pool.stop_sharing)
        return kit

    def settle(self, seconds: float = 0.0) -> None:
        for _ in range(5):
            self.clock.advance(0)
        self.clock.advance(seconds)
