"""Turns of the event loop: so much translation in each, whatever number of requests has come.

Sockets that can be read are all served in one turn of the loop.  Where each of two hundred brings a
request whose translation takes five milliseconds, that turn would take a second, and whoever comes
meanwhile would wait for its end.  What exceeds a turn's time waits for the next one.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

#: Seconds that one turn may spend on requests before the next of them has to wait.
BUDGET: Final = 0.005


class Turns:
    """Lets requests be worked on, first come, first served, until the turn's time is used up."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Deferred[None]] = deque()
        self._began: float | None = None

    async def take(self) -> None:
        """Wait until this turn of the event loop, or a later one, has time for a request."""
        waiting = self.wait()
        if waiting is not None:
            await waiting

    def wait(self) -> Deferred[None] | None:
        """Return a Deferred that fires when it is time to go on, ``None`` if that is now.

        One that is cancelled loses its place.
        """
        if self._began is None:
            self._began = self._clock.seconds()
            self._clock.callLater(0, self._begin)
        elif self._waiting or self._is_used_up():
            mine: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(mine)
            return mine
        return None

    def _is_used_up(self) -> bool:
        assert self._began is not None
        return self._clock.seconds() - self._began > BUDGET

    def _begin(self) -> None:
        """Begin a turn with those that have waited the longest."""
        if not self._waiting:
            self._began = None
            return
        self._began = self._clock.seconds()
        self._clock.callLater(0, self._begin)
        while self._waiting:
            self._waiting.popleft().callback(None)
            if self._is_used_up():
                break
