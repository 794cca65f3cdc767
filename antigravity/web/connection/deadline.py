"""A deadline that moves often, with a timer that seldom does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Deadline:
    """The time by which something must have happened.

    A timer that fires too early is set again, so that moving the deadline costs no timer.

    :param clock: the reactor, or a clock of tests.
    :param expired: called when the deadline is over.
    """

    __slots__ = ("_at", "_clock", "_expired", "_timer")

    def __init__(self, clock: Any, expired: Callable[[], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._at: float | None = None
        self._timer: Any = None

    def set(self, seconds: float) -> None:
        """Move the deadline to ``seconds`` from now; 0 is no deadline."""
        if not seconds:
            self._at = None
            return
        self._at = at = self._clock.seconds() + seconds
        timer = self._timer
        if timer is None:
            self._timer = self._clock.callLater(seconds, self._fired)
        elif timer.getTime() > at:
            timer.reset(seconds)

    def clear(self) -> None:
        """Wait for nothing; the timer may stay."""
        self._at = None

    def stop(self) -> None:
        """Cancel the timer."""
        self._at = None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _fired(self) -> None:
        self._timer = None
        if self._at is None:
            return
        remaining = self._at - self._clock.seconds()
        if remaining > 0:
            self._timer = self._clock.callLater(remaining, self._fired)
        else:
            self._at = None
            self._expired()
