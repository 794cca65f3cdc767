"""Limits how much of each turn of the event loop goes to translation.

All readable sockets are served in one turn of the loop.  If each of two hundred brings a request
whose translation takes five milliseconds, that turn takes a second, and every new request waits for
its end.  Requests beyond a turn's time wait for the next one.

To notice the end of a turn costs the loop an additional turn.  Small requests take far less than a
turn's time, so that is done only once in :data:`UNMEASURED` bytes.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

#: Seconds that one turn may spend on requests before the next request has to wait.
BUDGET: Final = 0.005
#: Bytes of requests that are admitted before the time of a turn is measured.
UNMEASURED: Final = 32 * 1024
#: Bytes that each request counts besides its body.
REQUEST_BYTES: Final = 2 * 1024


class Turns:
    """Admits requests in order of arrival until the time of a turn is used up."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Deferred[None]] = deque()
        self._began: float | None = None
        #: Bytes of the requests since the last turn that was measured.
        self._unmeasured = 0

    def reserve(self, size: int = UNMEASURED) -> Deferred[None] | None:
        """Return a Deferred that fires when there is time, ``None`` if there is time now.

        ``size`` is that of the request's body in bytes.  Cancelling the Deferred gives up its
        place.
        """
        if self._began is None:
            self._unmeasured += REQUEST_BYTES + size
            if self._unmeasured < UNMEASURED:
                return None
            self._unmeasured = 0
            self._began = self._clock.seconds()
            self._clock.callLater(0, self._begin)
        elif self._waiting or self._is_used_up():
            waiting: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiting)
            return waiting
        return None

    def _is_used_up(self) -> bool:
        assert self._began is not None
        return self._clock.seconds() - self._began > BUDGET

    def _begin(self) -> None:
        """Begin a turn with the requests that have waited the longest."""
        if not self._waiting:
            self._began = None
            return
        self._began = self._clock.seconds()
        self._clock.callLater(0, self._begin)
        while self._waiting:
            self._waiting.popleft().callback(None)
            if self._is_used_up():
                break
