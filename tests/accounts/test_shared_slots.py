"""The most requests of an account at once, over all gateways."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError

from antigravity.accounts.shared_slots import PAUSE
from antigravity.interfaces.state import SlotClaim
from antigravity.ir.errors import GatewayError
from antigravity.state.held_slots import SLOT_TTL
from tests.accounts.pool_fixture import PoolFixture, got, waits
from tests.accounts.shared_pool_fixture import SharedPoolCase


class SlotCase(SharedPoolCase):
    def pools(
        self, count: int, *accounts: str, on_loss: str = "local", **settings: Any
    ) -> list[PoolFixture]:
        """Return the pools of some gateways with the same limit."""
        kits = [self.pool(*accounts, on_loss=on_loss) for _ in range(count)]
        for each in kits:
            each.reload(**{"max_concurrency": 2, **settings})
        return kits

    def used(self, account: str) -> int:
        """Return how many slots of an account are taken."""
        claim = SlotClaim(f"account/{account}", "tests", 0, 1.0)
        found = self.successResultOf(self.shared.memory.claim([claim]))
        return int(found.states[0].used)

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.settle(0.05)


class SharedSlotTests(SlotCase):
    def test_limit_holds_over_all_gateways(self) -> None:
        one, other = self.pools(2, "a")
        leases = [one.take(), other.take()]
        for each in (one, other):
            self.assertIsInstance(each.refused(max_wait=0), GatewayError)
        self.assertEqual(self.used("a"), 2)
        leases[0].succeeded()
        self.pass_time(1)
        other.take()
        self.assertEqual(self.used("a"), 2)

    def test_other_account_is_used_if_one_is_full_elsewhere(self) -> None:
        one, other = self.pools(2, "a", "b", max_concurrency=1)
        first = one.take().credential.id
        second = other.take().credential.id
        self.assertEqual({first, second}, {"a", "b"})

    def test_waiting_request_gets_slot_that_another_gateway_frees(self) -> None:
        one, other = self.pools(2, "a", max_concurrency=1)
        lease = one.take()
        waiting = other.ask()
        self.pass_time(1)
        self.assertTrue(waits(waiting))
        lease.succeeded()
        self.pass_time(2 * PAUSE)
        self.assertEqual(got(waiting).credential.id, "a")

    def test_gateways_with_waiting_requests_take_turns(self) -> None:
        one, other = self.pools(2, "a", max_concurrency=1)
        lease: Any = one.take()
        served = {one: 0, other: 0}
        waiting = [(kit, kit.ask(f"{n}")) for n in range(6) for kit in (one, other)]
        for _ in range(12):
            self.pass_time(1)
            lease.succeeded()
            self.pass_time(1)
            done = [each for each in waiting if not waits(each[1])]
            self.assertEqual(len(done), 1)
            waiting.remove(done[0])
            served[done[0][0]] += 1
            lease = got(done[0][1])
            self.assertLessEqual(abs(served[one] - served[other]), 1)

    def test_slots_of_killed_gateway_are_free_again(self) -> None:
        one, other = self.pools(2, "a", max_concurrency=1)
        one.take()
        assert one.pool._slots is not None
        one.pool._slots._held._keys.clear()  # it was killed: nothing is renewed
        self.assertIsInstance(other.refused(max_wait=0), GatewayError)
        self.settle(SLOT_TTL + 1)
        other.take()

    def test_slots_of_long_requests_are_renewed(self) -> None:
        one, other = self.pools(2, "a")
        leases = [one.take(), one.take()]
        for _ in range(30):
            self.settle(10)
        self.assertEqual(self.used("a"), 2)
        self.assertIsInstance(other.refused(max_wait=0), GatewayError)
        for each in leases:
            each.release()
        self.assertEqual(self.used("a"), 0)

    def test_each_gateway_serves_its_part_while_state_is_lost(self) -> None:
        # Also where other limits refuse then: the upstream has its own.
        for on_loss, limit, part in (("local", 4, 2), ("refuse", 5, 2), ("refuse", 1, 1)):
            gateways = self.pools(2, "a", on_loss=on_loss, max_concurrency=limit)
            for each in gateways:
                self.successResultOf(each.pool._slots._state._beat())  # type: ignore[union-attr]
            self.shared.is_away = True
            for each in gateways:
                leases = [each.take() for _ in range(part)]
                self.assertIsInstance(each.refused(max_wait=0), GatewayError)
                for lease in leases:
                    lease.succeeded()
                self.pass_time(1)
                each.take().succeeded()
            self.shared.is_away = False
            for each in gateways:
                self.successResultOf(each.pool.stop_sharing())
                self.successResultOf(each.pool._slots._state.stop())  # type: ignore[union-attr]
            self.settle(SLOT_TTL + 1)

    def test_cancelled_request_leaves_no_slot(self) -> None:
        (one,) = self.pools(1, "a", max_concurrency=1)
        self.shared.waiting = waiting = []
        asked = one.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.shared.waiting = None
        for each in waiting:
            each.callback(None)
        self.settle()
        self.assertEqual(self.used("a"), 0)
        self.assertEqual(one.pool._in_flight.load("a"), 0)

    def test_slot_that_is_granted_after_cancelling_is_free(self) -> None:
        (one,) = self.pools(1, "a", max_concurrency=1)
        self.shared.waiting = waiting = []
        asked = one.ask()
        self.shared.waiting = None
        asked.cancel()  # the release arrives before the claim
        self.failureResultOf(asked, CancelledError)
        for each in waiting:
            each.callback(None)
        self.settle()
        self.assertEqual(self.used("a"), 0)

    def test_stop_frees_slots_and_ends_timers(self) -> None:
        (one,) = self.pools(1, "a", max_concurrency=1)
        one.take()
        waiting = one.ask()
        self.pass_time(1)
        self.successResultOf(one.pool.stop_sharing())
        self.assertEqual(self.used("a"), 0)
        self.assertTrue(waits(waiting))

    def test_nobody_is_asked_without_limit(self) -> None:
        (one,) = self.pools(1, "a", max_concurrency=0)
        before = len(self.shared.calls)
        for _ in range(5):
            one.take().succeeded()
        self.assertEqual(len(self.shared.calls), before)
