"""One timer for the limits of a request."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from antigravity.interfaces.transport import Timeouts
from antigravity.transport.request_timer import RequestTimer


class Watched:
    """A clock with a timer of these limits, and the limits that have ended."""

    def __init__(self, first_byte: float, idle: float, total: float) -> None:
        self.clock = Clock()
        self.ended: list[str] = []
        self.last = 0.0
        self.timer = RequestTimer(self.clock, Timeouts(0, first_byte, idle, total), self._expired)

    def _expired(self, limit: str) -> None:
        self.ended.append(limit)
        self.timer.stop()

    def read(self) -> None:
        self.last = self.clock.seconds()

    def watch(self) -> None:
        self.read()
        self.timer.watch(lambda now, limit: self.last + limit)

    def timers(self) -> int:
        return len(self.clock.getDelayedCalls())


@pytest.mark.parametrize(
    ("limits", "seconds", "limit"),
    [
        ((5, 0, 0), 5, "first_byte"),
        ((5, 0, 9), 5, "first_byte"),
        ((9, 0, 5), 5, "total"),
        ((0, 0, 5), 5, "total"),
    ],
)
def test_limit_ends_while_the_head_is_awaited(
    limits: tuple[float, float, float], seconds: float, limit: str
) -> None:
    watched = Watched(*limits)
    watched.timer.start(0)
    watched.clock.advance(seconds - 0.01)
    assert watched.ended == []
    watched.clock.advance(0.01)
    assert watched.ended == [limit]
    assert watched.timers() == 0


def test_no_limits_set_no_timer() -> None:
    watched = Watched(0, 0, 0)
    watched.timer.start(0)
    watched.timer.head_received()
    watched.watch()
    assert watched.timers() == 0


def test_first_byte_does_not_limit_the_body() -> None:
    watched = Watched(5, 0, 0)
    watched.timer.start(0)
    watched.timer.head_received()
    watched.clock.advance(100)
    assert (watched.ended, watched.timers()) == ([], 0)


@pytest.mark.parametrize("first_byte", [0, 3, 300])
def test_idle_time_is_counted_from_the_last_read(first_byte: float) -> None:
    watched = Watched(first_byte, 10, 0)
    watched.timer.start(0)
    watched.clock.advance(2)
    watched.timer.head_received()
    watched.watch()
    for _ in range(5):
        watched.clock.advance(9)
        watched.read()
        assert (watched.ended, watched.timers()) == ([], 1)
    watched.clock.advance(9.99)
    assert watched.ended == []
    watched.clock.advance(0.01)
    assert (watched.ended, watched.timers()) == (["idle"], 0)


def test_total_ends_a_body_that_is_not_idle() -> None:
    watched = Watched(300, 10, 25)
    watched.timer.start(0)
    watched.timer.head_received()
    watched.watch()
    for _ in range(6):
        watched.clock.advance(4)
        watched.read()
    assert watched.ended == []
    watched.clock.advance(1)
    assert watched.ended == ["total"]


def test_stopped_timer_never_ends() -> None:
    watched = Watched(5, 5, 5)
    watched.timer.start(0)
    watched.timer.stop()
    assert watched.timers() == 0
    watched.clock.advance(10)
    assert watched.ended == []
