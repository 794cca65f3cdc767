"""A clock that cannot be set, for timers."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from twisted.internet.base import ReactorBase
from twisted.internet.task import Clock

from antigravity.daemon.steady_clock import install, steady_clock

BEGINNING = 1_800_000_000.0
YEARS = 10 * 366 * 86400.0


class Times:
    """The calendar's clock, and seconds that pass."""

    def __init__(self) -> None:
        self.wall = BEGINNING
        self.elapsed = 50.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.elapsed += seconds

    def clock(self) -> Callable[[], float]:
        return steady_clock(lambda: self.wall, lambda: self.elapsed)


class Bare(ReactorBase):
    """A reactor with timers, and without anything else."""

    def installWaker(self) -> None:
        pass


@pytest.mark.parametrize("leap", [3600.0, -3600.0, YEARS, -YEARS])
def test_changed_system_clock_does_not_affect_timers(leap: float) -> None:
    times = Times()
    reactor = Bare()
    assert install(reactor, times.clock())
    assert reactor.seconds() == BEGINNING
    fired: list[str] = []
    reactor.callLater(10.0, fired.append, "timer")
    times.wall += leap
    reactor.runUntilCurrent()
    assert fired == []
    assert reactor.timeout() == pytest.approx(10.0)
    times.pass_by(9.9)
    reactor.runUntilCurrent()
    assert fired == []
    times.pass_by(0.2)
    reactor.runUntilCurrent()
    assert fired == ["timer"]
    assert reactor.seconds() == pytest.approx(BEGINNING + 10.1)


def test_timers_that_were_set_before_keep_their_time() -> None:
    reactor = Bare()
    fired: list[str] = []
    call = reactor.callLater(3600.0, fired.append, "timer")
    assert install(reactor)
    reactor.runUntilCurrent()
    assert fired == []
    assert call.getTime() - reactor.seconds() == pytest.approx(3600.0, abs=5.0)
    call.cancel()


def test_steady_clock_returns_the_time() -> None:
    clock = steady_clock()
    assert clock() == pytest.approx(time.time(), abs=5.0)
    assert clock() <= clock()


def test_reactor_with_own_clock_is_unchanged() -> None:
    assert not install(Clock())
    reactor = Bare()
    assert install(reactor)
    assert not install(reactor)

    class Own(Bare):
        @staticmethod
        def seconds() -> float:
            return 5.0

    assert not install(Own())
