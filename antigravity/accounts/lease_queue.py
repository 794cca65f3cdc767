"""Demands that wait until somebody is free: woken in a fair order, never kept in vain."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.accounts.fair_queue import FairQueue
from antigravity.accounts.lease import Lease
from antigravity.interfaces.accounts import ILease, LeaseRequest
from antigravity.interfaces.selection import Candidate
from antigravity.ir.errors import GatewayError

#: A timer that fires a rounding error too early is not set again for less than this.
_SHORTEST_TIMER = 0.01


class Choice(Struct, frozen=True):
    """What a request gets now: somebody, or a reason to ask again after some seconds."""

    candidates: Sequence[Candidate]
    chosen: Candidate | None
    again: float

    def hopeless(self, max_wait: float) -> bool:
        """Return whether nobody can get free in that many seconds."""
        return not any(c.eligible and c.locked_for <= max_wait for c in self.candidates)


class _Waiter:
    """A request in the queue, and what became of it."""

    def __init__(self, request: LeaseRequest, arrived: float, max_wait: float) -> None:
        self.request = request
        self.arrived = arrived
        self.deadline = arrived + max_wait
        self.deferred: Deferred[ILease]
        self.timer: IDelayedCall
        self.result: Lease | GatewayError | None = None
        self.gone = False

    def finish(self) -> None:
        """Tell who waits, unless they have gone meanwhile."""
        if self.timer.active():
            self.timer.cancel()
        if self.gone:
            return
        if isinstance(self.result, Lease):
            self.deferred.callback(self.result)
        else:
            self.deferred.errback(self.result)


def _line(request: LeaseRequest) -> str:
    """Return what stands for the request's conversation in the queue."""
    return request.session or request.conversation


class LeaseQueue:
    """The queue with its timers.

    ``choose`` returns what a request that has waited so long gets, ``grant`` makes a lease of
    it, and ``refuse`` returns the error where it is nothing.
    """

    def __init__(
        self,
        clock: IReactorTime,
        choose: Callable[[LeaseRequest, float], Choice],
        grant: Callable[[LeaseRequest, Choice, float], Lease],
        refuse: Callable[[LeaseRequest, Choice], GatewayError],
    ) -> None:
        self._clock = clock
        self._choose = choose
        self._grant = grant
        self._refuse = refuse
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._timer: IDelayedCall | None = None
        self._wake_at = math.inf

    def __len__(self) -> int:
        return len(self._queue)

    def wait(self, request: LeaseRequest, max_wait: float, again: float) -> Deferred[ILease]:
        """Return a Deferred that fires with a lease; cancelling it leaves the queue.

        :param again: after how many seconds something changes at the earliest.
        """
        now = self._clock.seconds()
        waiter = _Waiter(request, now, max_wait)
        waiter.deferred = Deferred(lambda _: self._left(waiter))
        waiter.timer = self._clock.callLater(max_wait, self._expired, waiter)
        self._queue.add(request.principal, _line(request), waiter)
        self._arm(min(again, max(0.0, self._wake_at - now)))
        return waiter.deferred

    def make_room(self, request: LeaseRequest, error: GatewayError) -> bool:
        """Refuse a waiting request of whoever has more than a fair share, so that another can wait.

        Return whether there was anybody.
        """
        waiter = self._queue.least_due(request.principal, _line(request))
        if waiter is None:
            return False
        self._queue.remove(waiter)
        waiter.result = error
        waiter.finish()
        return True

    def serve_due(self) -> None:
        """Serve those that a lock which has just ended kept waiting, before newcomers."""
        if self._clock.seconds() >= self._wake_at:
            self.serve()

    def serve(self) -> None:
        """Give whoever is free to those that wait, in a fair order."""
        if not self._queue:
            return
        now = self._clock.seconds()
        wake = math.inf
        done: list[_Waiter] = []
        # What gets nobody in this pass: demands like it, of that conversation or (if nobody at
        # all is free) of any, need not be looked at.
        stuck: dict[object, Choice] = {}
        for waiter in self._queue:
            request, waited = waiter.request, now - waiter.arrived
            alike = (request.options, request.ranks, request.exclude, request.only)
            own = (*alike, request.session)
            choice = stuck.get(alike) or stuck.get(own) or self._choose(request, waited)
            if choice.chosen is not None:
                waiter.result = self._grant(request, choice, waited)
            elif choice.hopeless(waiter.deadline - now):
                waiter.result = self._refuse(request, choice)
            else:
                wake = min(wake, choice.again)
                open_to_others = any(each.available for each in choice.candidates)
                stuck[own if open_to_others else alike] = choice
                continue
            self._queue.remove(waiter, served=choice.chosen is not None)
            done.append(waiter)
        self._arm(wake)
        for waiter in done:
            waiter.finish()

    def refuse_all(self, error: Callable[[], GatewayError]) -> None:
        """Send everybody away."""
        waiting = list(self._queue)
        for waiter in waiting:
            self._queue.remove(waiter)
            waiter.result = error()
        self._arm(math.inf)
        for waiter in waiting:
            waiter.finish()

    def _left(self, waiter: _Waiter) -> None:
        """Nobody waits for this any more; the account that it just got is free again."""
        waiter.gone = True
        self._queue.remove(waiter)
        if waiter.timer.active():
            waiter.timer.cancel()
        if isinstance(waiter.result, Lease):
            waiter.result.release()
        if not self._queue:
            self._arm(math.inf)

    def _expired(self, waiter: _Waiter) -> None:
        """Patience is at its end: now anybody will do."""
        choice = self._choose(waiter.request, math.inf)
        served = choice.chosen is not None
        if served:
            waiter.result = self._grant(waiter.request, choice, math.inf)
        else:
            waiter.result = self._refuse(waiter.request, choice)
        self._queue.remove(waiter, served=served)
        if not self._queue:
            self._arm(math.inf)
        waiter.finish()

    def _arm(self, delay: float) -> None:
        """Wake up after ``delay`` seconds, unless nobody waits for that."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._wake_at = math.inf
        if self._queue and delay < math.inf:
            self._wake_at = self._clock.seconds() + delay
            self._timer = self._clock.callLater(max(delay, _SHORTEST_TIMER), self.serve)
