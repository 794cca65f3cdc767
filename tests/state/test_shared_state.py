"""The state of a gateway: its backend, what happens while it is lost, and its return."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from antigravity.interfaces.state import (
    ISharedState,
    SlotClaim,
    SlotRelease,
    StateError,
    WindowChange,
    WindowClaim,
)
from antigravity.state import shared as shared_module
from antigravity.state.held_slots import RENEWAL_INTERVAL, SLOT_TTL, HeldSlots
from antigravity.state.shared import BEAT, SharedState
from antigravity.testing.state_conformance import StateConformance
from tests.support.shared_memory import SharedMemory


class SharedStateConformance(StateConformance, TestCase):
    """Gateways with a backend of a plugin, whose loading is asynchronous."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_796_032_800.3)
        self.shared = SharedMemory(self.clock)

    async def open_state(self) -> Any:
        state = self.shared.gateway()
        self.addCleanup(state.stop)
        return state

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)


class SharedStateCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_796_032_800.3)
        self.shared = SharedMemory(self.clock)

    def gateway(self, **options: Any) -> SharedState:
        state = self.shared.gateway(**options)
        self.addCleanup(state.stop)
        return state

    def claimed(self, state: SharedState, *claims: Any) -> Any:
        return self.successResultOf(state.claim(claims))


class BackendTests(SharedStateCase):
    def test_state_without_address_is_in_memory(self) -> None:
        state = SharedState(self.clock)
        self.addCleanup(state.stop)
        verifyObject(ISharedState, state)
        self.assertEqual((state.is_shared, state.is_lost, state.gateways), (False, False, 1))
        before = len(self.clock.getDelayedCalls())
        self.successResultOf(state.use("", "local", {}))
        self.assertEqual(len(self.clock.getDelayedCalls()), before)
        seen: list[bytes] = []
        state.subscribe("c", seen.append)
        state.publish("c", b"1")
        self.clock.advance(0)
        self.assertEqual(seen, [b"1"])
        self.assertTrue(self.claimed(state, SlotClaim("s", "h", 1, 60)).granted)
        self.assertFalse(self.claimed(state, SlotClaim("s", "i", 1, 60)).granted)

    def test_gateways_are_counted(self) -> None:
        first = self.gateway()
        second = self.gateway()
        self.assertEqual((first.gateways, second.gateways), (1, 2))
        self.clock.advance(BEAT)
        self.assertEqual((first.gateways, second.gateways), (2, 2))
        self.successResultOf(second.stop())
        self.clock.advance(BEAT)
        self.assertEqual(first.gateways, 1)

    def test_vanished_gateway_is_counted_no_more(self) -> None:
        first, second = self.gateway(), self.gateway()
        second._timer.cancel()  # type: ignore[union-attr]
        for _ in range(4):
            self.clock.advance(BEAT)
        self.assertEqual(first.gateways, 1)

    def test_another_address_replaces_backend_and_keeps_listeners(self) -> None:
        state = self.gateway()
        seen: list[bytes] = []
        state.subscribe("c", seen.append)
        self.successResultOf(state.use("other:", "local", self.shared.kinds()))
        self.assertEqual([each.is_running for each in self.shared.members], [False, True])
        self.assertEqual(state.numbers.name, "other:")
        state.publish("c", b"1")
        self.clock.advance(0)
        self.assertEqual(seen, [b"1"])

    def test_address_that_cannot_be_used_changes_nothing(self) -> None:
        state = self.gateway()
        for url in ("memory:wrong", "veiled://x", "veiled"):
            failure = self.failureResultOf(state.use(url, "local", self.shared.kinds()))
            failure.trap(ValueError)
            self.assertNotIn("veiled", str(failure.value))
        self.assertEqual((state.numbers.name, state.is_lost), ("memory:", False))

    def test_backend_without_interface_is_refused(self) -> None:
        class Kind:
            name = staticmethod(lambda url: url)
            build = staticmethod(lambda reactor, url: object())

        state = SharedState(self.clock)
        self.failureResultOf(state.use("x:", "local", {"x": Kind}), ValueError)
        self.assertFalse(state.is_shared)

    def test_stop_ends_timers(self) -> None:
        state = self.gateway()
        self.successResultOf(state.stop())
        self.assertEqual([each.is_running for each in self.shared.members], [False])
        self.successResultOf(self.shared.memory.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class CancelTests(SharedStateCase):
    """Requests whose clients are gone end their waits for the state, and nothing else."""

    def test_cancelled_call_does_not_lose_state(self) -> None:
        state = self.gateway()
        self.shared.waiting = waiting = []
        calls = [
            state.get("a"),
            state.claim([WindowClaim("w", 1, 5, 60)]),
            state.settle([SlotRelease("s", "h")]),
            state.renew([SlotClaim("s", "h", 1, 60)]),
        ]
        for each in calls:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        for each in waiting:
            each.callback(None)
        self.assertEqual((state.is_lost, state.numbers.failed), (False, 0))

    def test_slot_of_cancelled_claim_is_free(self) -> None:
        state, other = self.gateway(), self.gateway()
        self.shared.waiting = waiting = []
        asked = state.claim([SlotClaim("s", "h", 1, 60), WindowClaim("w", 1, 5, 60)])
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.shared.waiting = None
        for each in waiting:
            each.callback(None)
        self.assertTrue(self.claimed(other, SlotClaim("s", "i", 1, 60)).granted)
        self.assertEqual(self.claimed(other, WindowClaim("w", 0, 5, 60)).states[0].used, 1)

    def test_failure_after_cancelling_is_noticed(self) -> None:
        state = self.gateway()
        self.shared.waiting = waiting = []
        asked = state.get("a")
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        waiting[0].errback(StateError("gone"))
        self.assertTrue(state.is_lost)

    def test_cancelled_subscription_ends(self) -> None:
        state, seen = self.gateway(), []
        self.shared.waiting = waiting = []
        asked = state.subscribe("c", seen.append)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.shared.waiting = None
        for each in waiting:
            each.callback(None)
        state.publish("c", b"1")
        self.clock.advance(0)
        self.assertEqual(seen, [])


class HeldSlotTests(SharedStateCase):
    def setUp(self) -> None:
        super().setUp()
        self.state = self.gateway()
        self.held = HeldSlots(self.state, self.clock)
        self.addCleanup(self.held.stop)

    def used(self, key: str = "s") -> int:
        found = self.successResultOf(self.shared.memory.claim([SlotClaim(key, "tests", 0, 1.0)]))
        return int(found.states[0].used)

    def hold(self, *holders: str) -> None:
        for each in holders:
            self.claimed(self.state, SlotClaim("s", each, len(holders), SLOT_TTL))
            self.held.add(each, "s")

    def test_one_call_renews_all_slots_as_long_as_they_are_held(self) -> None:
        self.hold("a", "b", "c")
        self.shared.calls.clear()
        self.clock.pump([RENEWAL_INTERVAL] * 30)
        self.assertEqual((self.used(), self.shared.calls.count("renew")), (3, 30))
        self.held.remove("b")
        self.clock.pump([RENEWAL_INTERVAL] * 5)
        self.assertEqual(self.used(), 2)
        for each in "ac":
            self.held.remove(each)
        self.clock.pump([RENEWAL_INTERVAL] * 5)
        self.assertEqual((self.used(), len(self.held)), (0, 0))
        self.held.stop()

    def test_slot_that_ends_during_its_renewal_is_free(self) -> None:
        self.hold("a", "b")
        self.shared.waiting = waiting = []
        self.clock.advance(RENEWAL_INTERVAL)
        self.shared.waiting = None
        key = self.held.remove("a")
        assert key is not None
        self.state.settle([SlotRelease(key, "a")])
        for each in waiting:
            each.callback(None)
        self.assertEqual(self.used(), 1)

    def test_state_that_forgot_everything_learns_what_is_held(self) -> None:
        self.hold("a", "b")
        self.shared.memory._slots.clear()
        self.clock.advance(RENEWAL_INTERVAL)
        self.assertEqual(self.used(), 2)

    def test_slots_are_held_here_while_state_is_lost(self) -> None:
        self.hold("a", "b")
        self.shared.is_away = True
        self.failureResultOf(self.state.get("a"), StateError)
        self.clock.pump([RENEWAL_INTERVAL] * 8)
        self.assertFalse(self.claimed(self.state, SlotClaim("s", "c", 2, 60)).granted)
        self.shared.is_away = False
        self.clock.pump([RENEWAL_INTERVAL] * 2)
        self.assertEqual(self.used(), 2)

    def test_backend_without_renewal_gets_claims(self) -> None:
        self.shared.renews = False
        self.state = self.gateway()
        self.held = HeldSlots(self.state, self.clock)
        self.addCleanup(self.held.stop)
        self.hold("a", "b")
        self.held.add("c", "t")
        self.shared.calls.clear()
        self.clock.pump([RENEWAL_INTERVAL] * 6)
        self.assertEqual((self.used(), self.used("t")), (2, 1))
        self.assertNotIn("renew", self.shared.calls)


class LossTests(SharedStateCase):
    def lose(self, *states: SharedState) -> None:
        self.shared.is_away = True
        for state in states:
            self.failureResultOf(state.get("a"), StateError)

    def find(self) -> None:
        self.shared.is_away = False
        self.clock.pump([1.0] * 6)

    def test_lost_backend_is_asked_by_one_timer_only(self) -> None:
        state = self.gateway()
        self.lose(state)
        asked = len(self.shared.calls)
        for _ in range(100):
            self.failureResultOf(state.get("a"), StateError)
        self.assertEqual(len(self.shared.calls), asked)
        self.clock.pump([0.1] * 600)
        self.assertLess(len(self.shared.calls) - asked, 20)
        numbers = state.numbers
        self.assertEqual((numbers.losses, numbers.problem), (1, "memory: is away"))
        self.assertGreater(numbers.failed, 100)

    def test_return_tells_watchers_and_listens_again(self) -> None:
        state = self.gateway()
        told: list[bool] = []
        end = state.watch(lambda: told.append(state.is_lost))
        seen: list[bytes] = []
        self.lose(state)
        self.successResultOf(state.subscribe("c", seen.append))
        self.find()
        self.assertEqual((told, state.is_lost), ([False], False))
        state.publish("c", b"1")
        self.clock.advance(0)
        self.assertEqual(seen, [b"1"])
        end()
        self.lose(state)
        self.find()
        self.assertEqual(told, [False])

    def test_lost_backend_leaves_each_gateway_its_part(self) -> None:
        states = [self.gateway() for _ in range(4)]
        self.clock.advance(BEAT)
        self.lose(*states)
        claim = WindowClaim("w", 1, 22, 60)
        granted = [sum(self.claimed(s, claim).granted for _ in range(22)) for s in states]
        self.assertEqual(granted, [5, 5, 5, 5])
        small = [self.claimed(s, WindowClaim("small", 1, 1, 60)).granted for s in states]
        self.assertEqual(small, [True] * 4)
        self.assertFalse(self.claimed(states[0], WindowClaim("none", 1, 0, 60)).granted)

    def test_lost_backend_refuses_if_that_is_wanted(self) -> None:
        state = self.gateway(on_loss="refuse")
        self.lose(state)
        self.failureResultOf(state.claim([WindowClaim("w", 1, 22, 60)]), StateError)

    def test_claims_are_settled_where_they_were_made(self) -> None:
        state = self.gateway()
        there = self.claimed(state, WindowClaim("w", 10, 100, 60)).states[0].place
        self.lose(state)
        here = self.claimed(state, WindowClaim("w", 30, 100, 60), SlotClaim("s", "h", 1, 60))
        self.successResultOf(
            state.settle([WindowChange("w", here.states[0].place, -25, 60)]),
        )
        self.failureResultOf(state.settle([SlotRelease("s", "h")]), StateError)
        found = self.claimed(state, WindowClaim("w", 0, 100, 60), SlotClaim("s", "i", 1, 60))
        self.assertEqual((found.granted, found.states[0].used), (True, 5))
        self.find()
        self.successResultOf(
            state.settle(
                [
                    WindowChange("w", here.states[0].place, -5, 60),
                    WindowChange("w", there, -3, 60),
                ]
            )
        )
        self.assertEqual(self.claimed(state, WindowClaim("w", 0, 100, 60)).states[0].used, 7)

    def test_backend_that_is_away_at_the_start_is_found_later(self) -> None:
        self.shared.is_away = True
        state = self.gateway()
        self.assertTrue(state.is_lost)
        self.find()
        self.assertFalse(state.is_lost)
        self.assertEqual(state.numbers.losses, 1)

    def test_calls_that_wait_are_bounded(self) -> None:
        self.patch(shared_module, "MAX_CALLS", 3)
        state = self.gateway()
        self.shared.waiting = waiting = []
        calls = [state.get("a") for _ in range(3)]
        self.failureResultOf(state.get("a"), StateError)
        self.assertEqual((len(waiting), state.is_lost), (3, False))
        for each in waiting:
            each.callback(None)
        self.assertEqual([self.successResultOf(each) for each in calls], [None] * 3)


@pytest.mark.parametrize("url", ["unix:relative", "redis://u:veiled@h/name", "rediss://h:veiled"])
def test_wrong_address_is_not_quoted(url: str) -> None:
    from antigravity.plugins import PluginHost
    from antigravity.state.kinds import find_kind

    host = PluginHost()
    host.load(installed=False)
    kind = find_kind(url, host.registry.state_kinds)
    with pytest.raises(ValueError, match=r"path|Redis") as caught:
        kind.name(url)
    assert "veiled" not in str(caught.value)
