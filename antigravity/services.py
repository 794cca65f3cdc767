"""Services that stop in the reverse of the order in which they start, one after the other.

``MultiService`` stops all its children at once; a gateway must first stop listening, then let
running requests end, then close what they use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.logs import make_logger


class SequentialService(MultiService):
    """Starts its children in order, and stops them one at a time in the reverse order.

    A child that fails to stop is logged, and the others are stopped.
    """

    log = make_logger()

    @inlineCallbacks
    def stopService(self) -> Any:
        """Return a Deferred that fires when all children have stopped."""
        self.running = 0
        for service in reversed(list(self)):
            try:
                yield maybeDeferred(IService(service).stopService)
            except Exception:  # noqa: BLE001 - the others must be stopped whatever happens
                self.log.failure("stopping {service} failed", service=service)


class Closing(Service):
    """Calls a function when it is stopped, and waits for its Deferred."""

    def __init__(self, close: Callable[[], Any]) -> None:
        self._close = close

    def stopService(self) -> Any:
        """Close."""
        super().stopService()  # type: ignore[no-untyped-call]
        return self._close()


class Drain(Service):
    """Waits, when it is stopped, for running requests to end.

    :ivar grace: the longest wait in seconds.
    """

    log = make_logger()

    def __init__(self, clock: IReactorTime, grace: float) -> None:
        self._clock = clock
        self.grace = grace
        self._active: set[int] = set()
        self._empty: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._turn: IDelayedCall | None = None

    @property
    def active(self) -> int:
        """The number of running requests."""
        return len(self._active)

    def enter(self, what: object) -> None:
        """Count a request that has begun."""
        self._active.add(id(what))

    def leave(self, what: object) -> None:
        """Count a request that has ended."""
        self._active.discard(id(what))
        if not self._active and self._empty is not None and self._turn is None:
            # Its last bytes are written in this turn, after this call.
            self._turn = self._clock.callLater(0, self._turned)

    def stopService(self) -> Deferred[None]:
        """Return a Deferred that fires when nothing runs any more, or the grace period is over."""
        super().stopService()  # type: ignore[no-untyped-call]
        if not self._active:
            return succeed(None)
        self.log.info("waiting for {n} running requests", n=len(self._active))
        empty: Deferred[None] = Deferred()
        self._empty = empty
        self._timer = self._clock.callLater(self.grace, self.hurry)
        return empty

    def hurry(self) -> None:
        """End the waiting; the next services to stop abort what still runs."""
        if self._empty is not None:
            self.log.warn("aborting {n} running requests", n=len(self._active))
            self._done()

    def _turned(self) -> None:
        self._turn = None
        if not self._active:
            self._done()

    def _done(self) -> None:
        empty, self._empty = self._empty, None
        for timer in (self._timer, self._turn):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._turn = None
        if empty is not None:
            empty.callback(None)
