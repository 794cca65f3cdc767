"""Demands that wait until somebody is free: woken in a fair order, never kept in vain."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity.accounts.lease import Lease
from antigravity.accounts.queue import FairQueue
from antigravity.interfaces.accounts import Demand, ILease
from antigravity.interfaces.selection import Candidate
from antigravity.ir.errors import GatewayError

#: A timer that fires a rounding error too early is not set again for less than this.
_SHORTEST_TIMER = 0.01


class Choice(Struct, frozen=True):
    """What a demand gets now: somebody, or a reason to ask again after some seconds."""

    candidates: Sequence[Candidate]
    chosen: Candidate | None
    again: float

    def hopeless(self, patience: float) -> bool:
        """Return whether nobody can get free in that many seconds."""
        return not any(c.eligible and c.locked_for <= patience for c in self.candidates)


class _Waiter:
    """A demand in the queue, and what became of it."""

    def __init__(self, demand: Demand, arrived: float, patience: float) -> None:
        self.demand = demand
        self.arrived = arrived
        self.deadline = arrived + patience
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


def _line(demand: Demand) -> str:
    """Return what stands for the demand's conversation in the queue."""
    return demand.session or demand.conversation


class WaitingRoom:
    """The queue with its timers.

    ``choose`` returns what a demand that has waited so long gets, ``grant`` makes a lease of
    it, and ``refuse`` returns the error where it is nothing.
    """

    def __init__(
        self,
        clock: IReactorTime,
        choose: Callable[[Demand, float], Choice],
        grant: Callable[[Demand, Choice, float], Lease],
        refuse: Callable[[Demand, Choice], GatewayError],
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

    def wait(self, demand: Demand, patience: float, again: float) -> Deferred[ILease]:
        """Return a Deferred that fires with a lease; cancelling it leaves the queue.

        :param again: after how many seconds something changes at the earliest.
        """
        now = self._clock.seconds()
        waiter = _Waiter(demand, now, patience)
        waiter.deferred = Deferred(lambda _: self._left(waiter))
        waiter.timer = self._clock.callLater(patience, self._expired, waiter)
        self._queue.add(demand.principal, _line(demand), waiter)
        self._arm(min(again, max(0.0, self._wake_at - now)))
        return waiter.deferred

    def make_room(self, demand: Demand, error: GatewayError) -> bool:
        """Refuse a waiting request of whoever has more than a fair share, so that another can wait.

        Return whether there was anybody.
        """
        waiter = self._queue.least_due(demand.principal, _line(demand))
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
            demand, waited = waiter.demand, now - waiter.arrived
            alike = (demand.options, demand.ranks, demand.exclude, demand.only)
            own = (*alike, demand.session)
            choice = stuck.get(alike) or stuck.get(own) or self._choose(demand, waited)
            if choice.chosen is not None:
                waiter.result = self._grant(demand, choice, waited)
            elif choice.hopeless(waiter.deadline - now):
                waiter.result = self._refuse(demand, choice)
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
        choice = self._choose(waiter.demand, math.inf)
        served = choice.chosen is not None
        if served:
            waiter.result = self._grant(waiter.demand, choice, math.inf)
        else:
            waiter.result = self._refuse(waiter.demand, choice)
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
