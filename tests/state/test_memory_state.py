"""State in memory: it conforms, and it is bounded."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from antigravity.interfaces.state import SlotClaim, WindowChange, WindowClaim
from antigravity.state.memory import MemoryState
from antigravity.state.windows import Window
from antigravity.testing.state_conformance import StateConformance


class MemoryStateTests(StateConformance, TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_796_032_800.3)
        self.state = MemoryState(self.clock)
        self.addCleanup(self.state.stop)

    async def open_state(self) -> Any:
        if not self.clock.getDelayedCalls():
            await self.state.start()
        return self.state

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)


class BoundTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.state = MemoryState(self.clock, limit=20_000, values_limit=10_000)
        self.state.start()
        self.addCleanup(self.state.stop)

    def test_values_used_longest_ago_make_room(self) -> None:
        for number in range(10):
            self.state.put(f"k{number}", bytes(1000), 60)
            self.state.get("k0")
        kept = [n for n in range(10) if self.successResultOf(self.state.get(f"k{n}")) is not None]
        self.assertEqual(kept, [0, 3, 4, 5, 6, 7, 8, 9])

    def test_contents_do_not_displace_other_values(self) -> None:
        self.state.put("accounts/a", b"locked", 60)
        self.state.claim([SlotClaim("s", "h", 1, 60), WindowClaim("w", 1, 1, 60)])
        for number in range(100):
            self.state.put(f"content/response/{number}", bytes(5000), 60)
        self.assertEqual(self.successResultOf(self.state.get("accounts/a")), b"locked")
        found = self.successResultOf(
            self.state.claim([SlotClaim("s", "i", 1, 60), WindowClaim("w", 1, 1, 60)])
        )
        self.assertEqual([each.used for each in found.states], [1, 1])
        self.assertIsNone(self.successResultOf(self.state.get("content/response/0")))
        self.assertIsNotNone(self.successResultOf(self.state.get("content/response/99")))
        self.assertLessEqual(self.state._contents.size, 20_000)
        self.successResultOf(self.state.delete("content/response/99"))
        self.assertIsNone(self.successResultOf(self.state.get("content/response/99")))

    def test_what_has_expired_is_forgotten(self) -> None:
        for number in range(100):
            self.state.put(f"k{number}", b"1", 30)
            self.state.put(f"content/{number}", b"1", 30)
            self.state.claim(
                [WindowClaim(f"k{number}", 1, 5, 30), SlotClaim(f"k{number}", "h", 1, 30)]
            )
            self.state.claim([WindowClaim(f"refused{number}", 1, 0, 30)])
        self.clock.advance(60)
        state = self.state
        tables = state._contents, state._others, state._windows, state._slots
        self.assertEqual([len(each) for each in tables], [0] * 4)
        self.assertEqual((state._contents.size, state._others.size), (0, 0))

    def test_stop_ends_timers(self) -> None:
        self.state.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


@given(
    claims=st.lists(
        st.tuples(st.floats(0, 3), st.integers(1, 5), st.integers(-5, 0)), min_size=1, max_size=60
    ),
    limit=st.integers(1, 10),
)
def test_no_period_has_more_than_limit(claims: list[tuple[float, int, int]], limit: int) -> None:
    """Whenever claims come, and whatever of them is given back."""
    window, now, period = Window(), 1_000.0, 10.0
    granted: list[tuple[float, int]] = []
    for pause, amount, change in claims:
        now += pause
        found = window.look(WindowClaim("w", amount, limit, period), now)
        if found.retry_in:
            later = deepcopy(window).look(
                WindowClaim("w", amount, limit, period), now + found.retry_in + 1e-6
            )
            assert amount > limit or not later.retry_in
            continue
        window.add(found.place, amount, period, now)
        window.add(found.place, max(change, -amount), period, now)
        granted.append((now, amount + max(change, -amount)))
        recent = [each for when, each in granted if when > now - period]
        assert sum(recent) <= limit


def test_change_after_expiry_is_ignored() -> None:
    window = Window()
    window.add(100, 5, 12.0, 100.5)
    window.add(50, 5, 12.0, 100.5)
    assert window.parts == {100: 5}
    assert WindowChange("w", 1, 1, 1).amount == 1
