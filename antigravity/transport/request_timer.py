"""One timer for the time limits of a request."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from antigravity.interfaces.transport import Timeouts
from antigravity.transport.deadlines import Limit

#: Seconds by which a timer may be early because of rounding.
_TOLERANCE = 1e-6


class RequestTimer:
    """The limits ``first_byte``, ``idle`` and ``total`` of one request.

    There is one timer.  It is moved only if a limit ends before it is due; when it is due and no
    limit has ended, it is set again.  So a read or the end of a limit costs nothing.

    :param expired: called with the limit that has ended, once.
    """

    __slots__ = (
        "_due",
        "_expired",
        "_first_byte",
        "_idle",
        "_idle_until",
        "_limits",
        "_reactor",
        "_timer",
        "_total",
    )

    def __init__(self, reactor: Any, limits: Timeouts, expired: Callable[[Limit], None]) -> None:
        self._reactor = reactor
        self._limits = limits
        self._expired = expired
        self._timer: IDelayedCall | None = None
        self._due = math.inf
        self._first_byte = self._total = math.inf
        self._idle_until: Callable[[float, float], float] | None = None

    def start(self, now: float) -> None:
        """Begin to wait for the head of the response."""
        limits = self._limits
        if limits.first_byte:
            self._first_byte = now + limits.first_byte
        if limits.total:
            self._total = now + limits.total
        self._set(now, min(self._first_byte, self._total))

    def head_received(self) -> None:
        """End the limit ``first_byte``."""
        self._first_byte = math.inf

    def watch(self, idle_until: Callable[[float, float], float]) -> None:
        """Begin the limit ``idle``.

        ``idle_until`` is called with the time and the limit, and returns when it will end.
        """
        idle = self._limits.idle
        if idle:
            self._idle_until = idle_until
            now = self._reactor.seconds()
            self._set(now, now + idle)

    def stop(self) -> None:
        """End all limits for good."""
        self._idle_until = None
        self._expired = _ignore  # whoever was called refers to this object
        timer, self._timer = self._timer, None
        self._due = math.inf
        if timer is not None:
            timer.cancel()

    def _set(self, now: float, until: float) -> None:
        """Be due at ``until`` at the latest."""
        if until < self._due:
            self._due = until
            delay = max(until - now, 0)
            if self._timer is None:
                self._timer = self._reactor.callLater(delay, self._check)
            else:
                self._timer.reset(delay)

    def _check(self) -> None:
        self._timer = None
        self._due = math.inf
        now = self._reactor.seconds()
        idle = math.inf
        if self._idle_until is not None:
            idle = self._idle_until(now, self._limits.idle)
        until = min(self._first_byte, self._total, idle)
        if until > now + _TOLERANCE:
            if until < math.inf:
                self._set(now, until)
        elif until == self._first_byte:
            self._expired("first_byte")
        else:
            self._expired("total" if until == self._total else "idle")


def _ignore(_: Limit) -> None:
    """Ignore a limit of a request that is over."""
