"""The time by which old rows are deleted: a clock that leaps ahead must not delete them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from antigravity.logs import make_logger

#: A calendar that gains so many seconds between two looks has leapt; it is believed after a day.
_LEAP: Final = 3600.0
_DOUBT: Final = 86_400.0


class SteadyTime:
    """The time of the calendar, but for a leap ahead of more than an hour in the last day.

    A clock that is set by mistake is usually set right again within that time.  A clock that goes
    back is believed at once, since fewer rows are old then.

    :param clock: a clock that nobody sets.
    :param now: the calendar: returns seconds since the epoch.
    """

    log = make_logger()

    def __init__(self, clock: IReactorTime, now: Callable[[], float]) -> None:
        self._clock = clock
        self._now = now
        self._offset = now() - clock.seconds()
        self._leapt: float | None = None

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        elapsed = self._clock.seconds()
        offset = self._now() - elapsed
        leap = offset - self._offset
        if leap <= _LEAP:
            self._offset, self._leapt = offset, None
        elif self._leapt is None:
            self._leapt = elapsed
            self.log.warn(
                "the clock has leapt ahead by {n} hours; the ledger deletes what is old by the new "
                "time in a day, unless the clock is set back",
                n=round(leap / 3600),
            )
        elif elapsed - self._leapt >= _DOUBT:
            self._offset, self._leapt = offset, None
        return elapsed + self._offset
