"""Tests that every backend of shared state must pass; see ``interfaces/state.py``.

Mix :class:`StateConformance` into a test case of ``twisted.trial``::

    class MyStateTests(StateConformance, TestCase):
        reactor = reactor

        async def open_state(self):
            state = MyState(...)
            self.addCleanup(state.stop)
            await state.start()
            return state
"""

# The names of the tests say what they test, and those of the test case are not ours.
# ruff: noqa: D102, N815

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from zope.interface.verify import verifyObject

from antigravity.interfaces.state import (
    KEY_LIMIT,
    MANY_KEYS,
    VALUE_LIMIT,
    Claim,
    Claimed,
    ISlotRenewal,
    IState,
    SlotClaim,
    SlotRelease,
    WindowChange,
    WindowClaim,
)


class StateConformance:
    """The tests; a backend says how to open it.

    :cvar reactor: the reactor that runs the tests.
    :cvar unit: seconds that the tests have as their unit of time; a slow machine needs more.
    """

    reactor: Any
    unit: float = 1.0

    # What a test case has.
    assertEqual: Any
    assertTrue: Any
    assertFalse: Any
    assertLessEqual: Any
    assertGreater: Any
    assertIsNone: Any
    assertRaises: Any
    flushLoggedErrors: Any

    async def open_state(self) -> Any:
        """Return a started backend; each call is another process with the same, empty state."""
        raise NotImplementedError

    async def wait(self, seconds: float) -> None:
        """Let some time pass."""
        await deferLater(self.reactor, seconds)

    async def claim(self, state: Any, *claims: Claim) -> Claimed:
        """Return the result of claims."""
        claimed: Claimed = await state.claim(claims)
        return claimed

    # Values

    async def test_backend_provides_interface(self) -> None:
        verifyObject(IState, await self.open_state())

    async def test_value_is_seen_by_all(self) -> None:
        state, other = await self.open_state(), await self.open_state()
        self.assertIsNone(await other.get("a"))
        await state.put("a", b"\0\xff1", 60)
        self.assertEqual(await other.get("a"), b"\0\xff1")
        await other.put("a", b"", 60)
        self.assertEqual(await state.get("a"), b"")
        self.assertTrue(await state.delete("a"))
        self.assertFalse(await other.delete("a"))
        self.assertIsNone(await other.get("a"))

    async def test_values_like_numbers_stay_bytes(self) -> None:
        state = await self.open_state()
        for value in (b"1", b"-0", b"1.50", b"None", b"nan"):
            await state.put("a", value, 60)
            self.assertEqual(await state.get("a"), value)

    async def test_keys_are_any_text(self) -> None:
        state = await self.open_state()
        keys = ["é 漢字", "a:b", "{a}", "%s\n", "k" * KEY_LIMIT]
        for number, key in enumerate(keys):
            await state.put(key, b"%d" % number, 60)
        found = [await state.get(key) for key in keys]
        self.assertEqual(found, [b"0", b"1", b"2", b"3", b"4"])

    async def test_many_values_are_read_at_once(self) -> None:
        state, other = await self.open_state(), await self.open_state()
        await state.put("a", b"1", 60)
        await state.put("c", b"", 60)
        self.assertEqual(await other.get_many(["c", "b", "a", "c"]), [b"", None, b"1", b""])
        self.assertEqual(await other.get_many([]), [])
        keys = [f"{number}" for number in range(MANY_KEYS)]
        await gatherResults([state.put(key, key.encode(), 60) for key in keys], consumeErrors=True)
        self.assertEqual(await other.get_many(keys), [key.encode() for key in keys])

    async def test_many_values_are_at_most_as_large_as_one(self) -> None:
        state = await self.open_state()
        large = b"v" * (VALUE_LIMIT // 2)
        for key in "abc":
            await state.put(key, large, 60)
        found = await state.get_many(["a", "b", "c"])
        self.assertEqual(found[:2], [large, large])
        self.assertTrue(found[2] in (large, None))

    async def test_value_expires(self) -> None:
        state = await self.open_state()
        await state.put("a", b"1", self.unit)
        await state.put("b", b"1", self.unit)
        await state.put("b", b"2", 60)
        self.assertEqual(await state.get("a"), b"1")
        await self.wait(1.5 * self.unit)
        self.assertIsNone(await state.get("a"))
        self.assertFalse(await state.delete("a"))
        self.assertEqual(await state.get("b"), b"2")

    async def test_value_is_replaced_if_it_is_as_expected(self) -> None:
        state = await self.open_state()
        self.assertFalse(await state.replace("a", b"1", b"2", 60))
        self.assertTrue(await state.replace("a", None, b"1", 60))
        self.assertFalse(await state.replace("a", None, b"2", 60))
        self.assertFalse(await state.replace("a", b"", b"2", 60))
        self.assertTrue(await state.replace("a", b"1", b"2", 60))
        self.assertEqual(await state.get("a"), b"2")

    async def test_one_of_many_replaces(self) -> None:
        states = [await self.open_state() for _ in range(2)]
        tries = [states[n % 2].replace("a", None, b"%d" % n, 60) for n in range(20)]
        won = await gatherResults(tries, consumeErrors=True)
        self.assertEqual(won.count(True), 1)
        self.assertEqual(await states[0].get("a"), b"%d" % won.index(True))

    async def test_invalid_arguments_are_refused(self) -> None:
        state = await self.open_state()
        window, slot = WindowClaim("a", 1, 1, 60), SlotClaim("a", "h", 1, 60)
        calls: tuple[Callable[[], Any], ...] = (
            lambda: state.get(""),
            lambda: state.get("k" * (KEY_LIMIT + 1)),
            lambda: state.get_many(["a", ""]),
            lambda: state.get_many(["a"] * (MANY_KEYS + 1)),
            lambda: state.put("a", b"", 0),
            lambda: state.put("a", b"", 10**9),
            lambda: state.claim([window, window]),
            lambda: state.claim([slot, slot]),
            lambda: state.claim([WindowClaim("a", -1, 1, 60)]),
            lambda: state.claim([WindowClaim("a", 1, 1, 0)]),
        )
        for wrong in calls:
            try:
                await wrong()
            except ValueError:
                continue
            raise AssertionError("an invalid argument was accepted")

    # Windows

    async def test_window_has_limit(self) -> None:
        state, other = await self.open_state(), await self.open_state()
        claims = [WindowClaim("w", 3, 10, 60 * self.unit)]
        found = [await self.claim(each, *claims) for each in (state, other, state, other)]
        self.assertEqual([each.granted for each in found], [True, True, True, False])
        self.assertEqual([each.states[0].used for each in found], [3, 6, 9, 9])
        self.assertEqual(found[0].states[0].retry_in, 0)
        self.assertGreater(found[3].states[0].retry_in, 50 * self.unit)
        self.assertLessEqual(found[3].states[0].retry_in, 65 * self.unit)
        small = await self.claim(state, WindowClaim("w", 1, 10, 60 * self.unit))
        self.assertTrue(small.granted)

    async def test_window_slides(self) -> None:
        state = await self.open_state()
        claim = WindowClaim("w", 1, 2, self.unit)
        self.assertTrue((await self.claim(state, claim)).granted)
        self.assertTrue((await self.claim(state, claim)).granted)
        refused = await self.claim(state, claim)
        self.assertFalse(refused.granted)
        self.assertLessEqual(refused.states[0].retry_in, 1.1 * self.unit)
        await self.wait(refused.states[0].retry_in + 0.01 * self.unit)
        self.assertTrue((await self.claim(state, claim)).granted)

    async def test_claim_of_nothing_reads_window(self) -> None:
        state = await self.open_state()
        await self.claim(state, WindowClaim("w", 7, 5 + 2, 60))
        looked = await self.claim(state, WindowClaim("w", 0, 7, 60))
        self.assertEqual((looked.granted, looked.states[0].used), (True, 7))

    async def test_claim_above_limit_is_refused(self) -> None:
        state = await self.open_state()
        found = await self.claim(state, WindowClaim("w", 11, 10, 60))
        self.assertEqual((found.granted, found.states[0].used), (False, 0))
        self.assertGreater(found.states[0].retry_in, 0)

    async def test_limits_hold_with_many_claims_at_once(self) -> None:
        states = [await self.open_state() for _ in range(2)]
        claims = [
            states[n % 2].claim([WindowClaim("w", 7, 50, 60), SlotClaim("s", f"h{n}", 100, 60)])
            for n in range(200)
        ]
        found = await gatherResults(claims, consumeErrors=True)
        self.assertEqual(sum(each.granted for each in found), 7)
        looked = await self.claim(states[0], WindowClaim("w", 0, 50, 60))
        self.assertEqual(looked.states[0].used, 49)

    async def test_claims_are_granted_together_or_not_at_all(self) -> None:
        state = await self.open_state()
        full = WindowClaim("full", 1, 0, 60)
        others: Sequence[Claim] = (WindowClaim("w", 1, 5, 60), SlotClaim("s", "h", 1, 60))
        found = await self.claim(state, others[0], full, others[1])
        self.assertFalse(found.granted)
        self.assertEqual([bool(each.retry_in) for each in found.states], [False, True, False])
        found = await self.claim(state, *others)
        self.assertTrue(found.granted)
        self.assertEqual([each.used for each in found.states], [1, 1])

    async def test_claim_is_settled(self) -> None:
        state, other = await self.open_state(), await self.open_state()
        period = 60 * self.unit
        claimed = await self.claim(state, WindowClaim("w", 900, 1000, period))
        place = claimed.states[0].place
        self.assertFalse((await self.claim(other, WindowClaim("w", 200, 1000, period))).granted)
        await state.settle([WindowChange("w", place, -600, period)])
        found = await self.claim(other, WindowClaim("w", 200, 1000, period))
        self.assertEqual((found.granted, found.states[0].used), (True, 500))
        await other.settle([WindowChange("w", found.states[0].place, 50, period)])
        self.assertEqual((await self.looked(state, period)), 550)
        await state.settle([WindowChange("w", place, -(10**6), period)])
        self.assertLessEqual(await self.looked(state, period), 250)
        await state.settle([WindowChange("w", place - 100, 10**6, period)])
        self.assertLessEqual(await self.looked(state, period), 250)

    async def looked(self, state: Any, period: float) -> int:
        """Return what is used of the window ``w``."""
        found = await self.claim(state, WindowClaim("w", 0, 10**9, period))
        return found.states[0].used

    async def test_settling_what_has_expired_changes_nothing(self) -> None:
        state = await self.open_state()
        await state.settle([WindowChange("w", 5, 100, self.unit), SlotRelease("s", "h")])
        self.assertEqual(await self.looked(state, self.unit), 0)

    # Slots

    async def test_slots_have_limit(self) -> None:
        state, other = await self.open_state(), await self.open_state()
        found = [await self.claim(state, SlotClaim("s", f"h{n}", 2, 60)) for n in range(3)]
        self.assertEqual([each.granted for each in found], [True, True, False])
        self.assertGreater(found[2].states[0].retry_in, 50)
        await other.settle([SlotRelease("s", "nobody"), SlotRelease("s", "h0")])
        found.append(await self.claim(other, SlotClaim("s", "h3", 2, 60)))
        self.assertEqual((found[3].granted, found[3].states[0].used), (True, 2))

    async def test_slot_is_free_after_its_time(self) -> None:
        state = await self.open_state()
        lease = SlotClaim("s", "h0", 1, self.unit)
        self.assertTrue((await self.claim(state, lease)).granted)
        refused = await self.claim(state, SlotClaim("s", "h1", 1, self.unit))
        self.assertFalse(refused.granted)
        self.assertLessEqual(refused.states[0].retry_in, self.unit)
        await self.wait(1.2 * self.unit)
        self.assertTrue((await self.claim(state, SlotClaim("s", "h1", 1, 60))).granted)
        self.assertFalse((await self.claim(state, lease)).granted)

    async def test_holder_prolongs_slot(self) -> None:
        state = await self.open_state()
        for _ in range(3):
            found = await self.claim(state, SlotClaim("s", "h", 1, self.unit))
            self.assertEqual((found.granted, found.states[0].used), (True, 1))
            await self.wait(0.6 * self.unit)
        self.assertFalse((await self.claim(state, SlotClaim("s", "h1", 1, 60))).granted)

    async def test_many_slots_are_renewed_at_once(self) -> None:
        """Of backends that provide :class:`ISlotRenewal`."""
        state, other = await self.open_state(), await self.open_state()
        renewal: Any = ISlotRenewal(other, None)
        if renewal is None:
            return
        for key in "st":
            await self.claim(state, SlotClaim(key, "h0", 2, self.unit))
        slots = [SlotClaim(key, f"h{n}", 0, self.unit) for key in "st" for n in range(2)]
        for _ in range(3):
            await self.wait(0.6 * self.unit)
            await renewal.renew(slots)
        looked = await self.claim(state, SlotClaim("s", "h2", 2, 60), SlotClaim("t", "h2", 3, 60))
        self.assertFalse(looked.granted)
        self.assertEqual([each.used for each in looked.states], [2, 2])
        await state.settle([SlotRelease(each.key, each.holder) for each in slots])
        self.assertTrue((await self.claim(state, SlotClaim("s", "h2", 1, 60))).granted)
        await renewal.renew([SlotClaim("s", "h3", 1, self.unit)])
        await self.wait(1.2 * self.unit)
        found = await self.claim(state, SlotClaim("s", "h4", 2, 60))
        self.assertEqual((found.granted, found.states[0].used), (True, 2))
        with self.assertRaises(ValueError):
            await renewal.renew(slots * MANY_KEYS)

    async def test_windows_and_slots_and_values_have_own_keys(self) -> None:
        state = await self.open_state()
        await state.put("a", b"1", 60)
        found = await self.claim(state, WindowClaim("a", 1, 1, 60), SlotClaim("a", "h", 1, 60))
        self.assertTrue(found.granted)
        self.assertEqual(await state.get("a"), b"1")

    # Messages

    async def test_messages_reach_all_listeners(self) -> None:
        state, other = await self.open_state(), await self.open_state()
        seen: list[tuple[str, bytes]] = []
        stop = await state.subscribe("c", lambda message: seen.append(("state", message)))
        await other.subscribe("c", lambda message: seen.append(("other", message)))
        await other.subscribe("d", lambda message: seen.append(("d", message)))
        await state.publish("c", b"\0one")
        await self.until(lambda: len(seen) == 2)
        self.assertEqual(sorted(seen), [("other", b"\0one"), ("state", b"\0one")])
        stop()
        await state.publish("c", b"2")
        await self.until(lambda: len(seen) == 3)
        await self.wait(0.05 * self.unit)
        self.assertEqual(seen[2:], [("other", b"2")])

    async def test_failing_listener_does_not_stop_others(self) -> None:
        state = await self.open_state()
        seen: list[bytes] = []
        await state.subscribe("c", lambda message: 1 / 0)
        await state.subscribe("c", seen.append)
        await state.publish("c", b"1")
        await state.publish("c", b"2")
        await self.until(lambda: len(seen) == 2)
        self.assertEqual(seen, [b"1", b"2"])
        await self.wait(0.05 * self.unit)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    async def until(self, condition: Any) -> None:
        """Wait until a condition holds."""
        for _ in range(1000):
            if condition():
                return
            await self.wait(0.01 * self.unit)
        raise AssertionError("the condition did not hold in time")
