"""Services that stop one after the other, in the reverse order of their start.

``MultiService`` stops all its children at once; a gateway must first stop listening, then let
running requests end, then close request they use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.logs import make_logger


class SequentialService(MultiService):
    """A group of services that start in order, and stop one at a time in the reverse order.

    If a child fails to stop, the failure is logged and the others are stopped.
    """

    log = make_logger()

    @inlineCallbacks
    def stopService(self) -> Any:
        """Return a Deferred that fires when all children have stopped."""
        self.running = 0
        for service in reversed(list(self)):
            try:
                yield maybeDeferred(IService(service).stopService)
            except Exception:  # noqa: BLE001 - the other children must be stopped
                self.log.failure("stopping {service} failed", service=service)


class Closing(Service):
    """A service that only calls a function when it is stopped, and waits for its Deferred."""

    def __init__(self, close: Callable[[], Any]) -> None:
        self._close = close

    def stopService(self) -> Any:
        """Call the function."""
        super().stopService()  # type: ignore[no-untyped-call]
        return self._close()


class Drain(Service):
    """A service that waits for running requests to end when it is stopped.

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

    def enter(self, request: object) -> None:
        """Count a request that has begun."""
        self._active.add(id(request))

    def leave(self, request: object) -> None:
        """Count a request that has ended."""
        self._active.discard(id(request))
        if not self._active and self._empty is not None and self._turn is None:
            # The last bytes of its response are written later in this reactor turn.
            self._turn = self._clock.callLater(0, self._finish_if_empty)

    def stopService(self) -> Deferred[None]:
        """Return a Deferred that fires when no request runs, or the grace period is over."""
        super().stopService()  # type: ignore[no-untyped-call]
        if not self._active:
            return succeed(None)
        self.log.info("waiting for {n} running requests", n=len(self._active))
        empty: Deferred[None] = Deferred()
        self._empty = empty
        self._timer = self._clock.callLater(self.grace, self.stop_waiting)
        return empty

    def stop_waiting(self) -> None:
        """Stop waiting; the services that stop next abort the requests that still run."""
        if self._empty is not None:
            self.log.warn("aborting {n} running requests", n=len(self._active))
            self._finish()

    def _finish_if_empty(self) -> None:
        self._turn = None
        if not self._active:
            self._finish()

    def _finish(self) -> None:
        empty, self._empty = self._empty, None
        for timer in (self._timer, self._turn):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._turn = None
        if empty is not None:
            empty.callback(None)
