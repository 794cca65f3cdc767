"""A clock that cannot be set: seconds since 1970, counted monotonically.

Twisted's timers use the system clock.  If that is set (by NTP, by an administrator, after sleep), a
jump forward fires every timer at once, and a jump back delays every timer.  This prevents both.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.base import ReactorBase


def _elapsed() -> Callable[[], float]:
    """Return a monotonic clock, which counts time asleep too if the platform can."""
    names = ("CLOCK_MONOTONIC",) if sys.platform == "darwin" else ("CLOCK_BOOTTIME",)
    identifier = next((getattr(time, name) for name in names if hasattr(time, name)), None)
    if identifier is None:
        return time.monotonic
    try:
        time.clock_gettime(identifier)
    except OSError:
        return time.monotonic
    return partial(time.clock_gettime, identifier)


_ELAPSED: Final = _elapsed()


def steady_clock(
    wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = _ELAPSED
) -> Callable[[], float]:
    """Return a clock of seconds since 1970, which starts with the current system time.

    It is read dozens of times per request, so it runs no Python code.

    :param wall: returns the time of the system clock.
    :param elapsed: returns the time of a monotonic clock.
    """
    began = wall() - elapsed()
    return map(began.__add__, iter(elapsed, None)).__next__


def install(reactor: Any, clock: Callable[[], float] | None = None) -> bool:
    """Make a reactor's timers use a clock that cannot be set; return whether they do.

    Running timers keep their time.  A reactor with its own clock is not changed.
    """
    if not isinstance(reactor, ReactorBase) or "seconds" in vars(reactor):
        return False
    if type(reactor).seconds is not ReactorBase.seconds:
        return False
    reactor.seconds = clock or steady_clock()
    return True
