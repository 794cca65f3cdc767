"""Two gateways that share the state of accounts, on a Redis server and on a Unix socket."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall

from antigravity.config.settings import SchedulingSettings
from tests.service.shared_fixture import OnRedis, OnSocket
from tests.support.conditions import eventually

#: Seconds within which a gateway knows what another one does.
SOON = 1.0


class AccountTests:
    """What two gateways tell each other of accounts, wherever the state is."""

    async def test_lock_is_seen_by_other_gateway_at_once(self: Any) -> None:
        await self.start_two("one", "two")
        self.assertEqual(await self.ask_at(0, "[[error 429 retry=900s times=1]] hi"), 200)
        began = time.monotonic()
        (locked,) = self.locks(0)
        await eventually(lambda: self.locks(1) == [locked])
        self.assertLess(time.monotonic() - began, SOON)
        await self.start_another()
        self.assertEqual(self.locks(2), [locked])
        self.assertEqual(self.gateways[2].accounts.pool.unlock(locked), 1)
        await eventually(lambda: not self.locks(0) + self.locks(1))

    async def test_requests_are_served_while_state_is_lost(self: Any) -> None:
        await self.start_two("one", "two")
        await self.lost()
        self.assertEqual(await self.ask_at(0, "[[error 429 retry=900s times=1]] hi"), 200)
        self.assertEqual([await self.ask_at(number) for number in (0, 1)], [200, 200])
        self.assertEqual(self.locks(1), [])
        locked = self.locks(0)
        await self.returned()
        await eventually(lambda: self.locks(1) == locked)
        self.assertEqual([await self.ask_at(number) for number in (0, 1)], [200, 200])
        await self.start_another()
        self.assertEqual(self.locks(2), locked)

    async def test_sessions_follow_a_move(self: Any) -> None:
        await self.start_two("one", "two", "three")
        text = "[[error 429 retry=900s times=1]] hi"
        self.assertEqual(await self.ask_at(0, text), 200)
        (locked,), (account,) = self.locks(0), self.bound(0)
        await eventually(lambda: (self.locks(1), self.bound(1)) == ([locked], [account]))
        self.assertNotEqual(account, locked)
        self.gateways[1].accounts.pool.unlock(locked)
        self.assertEqual(await self.ask_at(1, text), 200)
        await self.start_another()
        self.assertEqual(await self.ask_at(2, text), 200)
        self.assertEqual([self.bound(number) for number in range(3)], [[account]] * 3)

    async def test_requests_of_account_are_limited_over_both(self: Any) -> None:
        await self.start_two(scheduling=SchedulingSettings(max_concurrency=1))
        peak = 0

        def count() -> None:
            nonlocal peak
            peak = max(peak, self.simulator.stats.open_streams)

        counting = LoopingCall(count)
        counting.start(0.01)
        self.addCleanup(counting.stop)
        asked = [
            Deferred.fromCoroutine(self.ask_at(number % 2, f"[[delay 0.1]] {number}"))
            for number in range(6)
        ]
        self.assertEqual(await gatherResults(asked), [200] * 6)
        await self.lost()
        self.assertEqual([await self.ask_at(number) for number in (0, 1)], [200, 200])
        self.assertEqual(peak, 1)

    async def test_revoked_account_is_disabled_by_both(self: Any) -> None:
        await self.start_two("revoked", "two")
        for number in range(4):
            self.assertEqual(await self.ask_at(0, f"hi {number}"), 200)
        names = [each.accounts.in_use for each in self.gateways]
        await eventually(lambda: [len(list(each.credentials())) for each in names] == [1, 1])


class RedisAccountTests(AccountTests, OnRedis):
    pass


class LocalAccountTests(AccountTests, OnSocket):
    pass
