"""A clock that cannot be set: it counts seconds since 1970 as they pass.

Twisted's timers use the system clock.  If that is set (by NTP, by an administrator, after a
machine was asleep), a leap forward ends every wait at once, and a leap back keeps every timer from
firing.  With this clock neither happens.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.base import ReactorBase


def _elapsed() -> Callable[[], float]:
    """Return the function that counts seconds evenly, those of a machine asleep too if it can."""
    names = ("CLOCK_MONOTONIC",) if sys.platform == "darwin" else ("CLOCK_BOOTTIME",)
    identifier = next((getattr(time, name) for name in names if hasattr(time, name)), None)
    if identifier is None:
        return time.monotonic
    try:
        time.clock_gettime(identifier)
    except OSError:
        return time.monotonic
    return lambda: time.clock_gettime(identifier)


_ELAPSED: Final = _elapsed()


class SteadyClock:
    """Returns seconds since 1970, by the calendar's clock as it was when this one was made.

    ``wall`` returns what the calendar's clock says, ``elapsed`` seconds that pass evenly.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = _ELAPSED,
    ) -> None:
        self._elapsed = elapsed
        self._began = wall() - elapsed()

    def __call__(self) -> float:
        """Return the time."""
        return self._began + self._elapsed()


def install(reactor: Any, clock: Callable[[], float] | None = None) -> bool:
    """Have a reactor's timers go by a clock that cannot be set; return whether they do.

    Timers that are set already keep their time.  A reactor with a clock of its own is left alone.
    """
    if not isinstance(reactor, ReactorBase) or "seconds" in vars(reactor):
        return False
    if type(reactor).seconds is not ReactorBase.seconds:
        return False
    steady: Any = clock or SteadyClock()
    reactor.seconds = steady
    return True
