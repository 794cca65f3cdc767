"""Requests that wait for an account, served in a fair order."""

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

#: The shortest delay of the timer, so that rounding errors do not make it fire repeatedly.
_SHORTEST_DELAY = 0.01


class Choice(Struct, frozen=True):
    """The result of a selection: the chosen candidate, or when to select again, in seconds."""

    candidates: Sequence[Candidate]
    chosen: Candidate | None
    retry_in: float

    def can_be_served_within(self, seconds: float) -> bool:
        """Return whether an account can become free in that time."""
        return any(c.eligible and c.locked_for <= seconds for c in self.candidates)


class _Waiter:
    """A waiting request, and its result."""

    def __init__(self, request: LeaseRequest, arrived: float, max_wait: float) -> None:
        self.request = request
        self.arrived = arrived
        self.deadline = arrived + max_wait
        self.deferred: Deferred[ILease]
        self.timer: IDelayedCall
        self.result: Lease | GatewayError | None = None
        self.cancelled = False

    def finish(self) -> None:
        """Fire the Deferred with the result, unless it was cancelled."""
        if self.timer.active():
            self.timer.cancel()
        if self.cancelled:
            return
        if isinstance(self.result, Lease):
            self.deferred.callback(self.result)
        else:
            self.deferred.errback(self.result)


def _conversation(request: LeaseRequest) -> str:
    return request.session or request.conversation


class LeaseQueue:
    """A fair queue with timers.

    :param choose: selects a candidate for a request that has waited some seconds.
    :param grant: makes a lease of a choice.
    :param refusal: returns the error for a request that cannot be served.
    """

    def __init__(
        self,
        clock: IReactorTime,
        choose: Callable[[LeaseRequest, float], Choice],
        grant: Callable[[LeaseRequest, Choice, float], Lease],
        refusal: Callable[[LeaseRequest, Choice], GatewayError],
    ) -> None:
        self._clock = clock
        self._choose = choose
        self._grant = grant
        self._refusal = refusal
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._timer: IDelayedCall | None = None
        self._wake_at = math.inf

    def __len__(self) -> int:
        return len(self._queue)

    def wait(self, request: LeaseRequest, max_wait: float, retry_in: float) -> Deferred[ILease]:
        """Return a Deferred that fires with a lease; cancelling it leaves the queue.

        :param retry_in: the seconds after which the next selection can have another result.
        """
        now = self._clock.seconds()
        waiter = _Waiter(request, now, max_wait)
        waiter.deferred = Deferred(lambda _: self._cancelled(waiter))
        waiter.timer = self._clock.callLater(max_wait, self._timed_out, waiter)
        self._queue.add(request.principal, _conversation(request), waiter)
        self._set_timer(min(retry_in, max(0.0, self._wake_at - now)))
        return waiter.deferred

    def make_room(self, request: LeaseRequest, error: GatewayError) -> bool:
        """Refuse a waiting request of a principal that has more than its fair share.

        Return whether there was one, so that ``request`` can wait in its place.
        """
        waiter = self._queue.least_due(request.principal, _conversation(request))
        if waiter is None:
            return False
        self._queue.remove(waiter)
        waiter.result = error
        waiter.finish()
        return True

    def serve_due(self) -> None:
        """Serve waiting requests whose lock has just ended, before a new request is served."""
        if self._clock.seconds() >= self._wake_at:
            self.serve()

    def serve(self) -> None:
        """Lease free accounts to waiting requests in a fair order."""
        if not self._queue:
            return
        now = self._clock.seconds()
        wake_in = math.inf
        done: list[_Waiter] = []
        # Choices without a candidate in this pass.  They hold for equal requests of the same
        # session, and if no account is available at all, for equal requests of any session.
        unserved: dict[object, Choice] = {}
        for waiter in self._queue:
            request, waited = waiter.request, now - waiter.arrived
            any_session = (request.upstream_models, request.ranks, request.exclude, request.only)
            this_session = (*any_session, request.session)
            choice = (
                unserved.get(any_session)
                or unserved.get(this_session)
                or self._choose(request, waited)
            )
            if choice.chosen is not None:
                waiter.result = self._grant(request, choice, waited)
            elif not choice.can_be_served_within(waiter.deadline - now):
                waiter.result = self._refusal(request, choice)
            else:
                wake_in = min(wake_in, choice.retry_in)
                free_for_others = any(each.available for each in choice.candidates)
                unserved[this_session if free_for_others else any_session] = choice
                continue
            self._queue.remove(waiter, served=choice.chosen is not None)
            done.append(waiter)
        self._set_timer(wake_in)
        for waiter in done:
            waiter.finish()

    def refuse_all(self, error: Callable[[], GatewayError]) -> None:
        """Refuse all waiting requests."""
        waiting = list(self._queue)
        for waiter in waiting:
            self._queue.remove(waiter)
            waiter.result = error()
        self._set_timer(math.inf)
        for waiter in waiting:
            waiter.finish()

    def _cancelled(self, waiter: _Waiter) -> None:
        """Remove a cancelled request, and release the account that it may just have got."""
        waiter.cancelled = True
        self._queue.remove(waiter)
        if waiter.timer.active():
            waiter.timer.cancel()
        if isinstance(waiter.result, Lease):
            waiter.result.release()
        if not self._queue:
            self._set_timer(math.inf)

    def _timed_out(self, waiter: _Waiter) -> None:
        """Serve a request with any account at the end of its wait, or refuse it."""
        choice = self._choose(waiter.request, math.inf)
        served = choice.chosen is not None
        if served:
            waiter.result = self._grant(waiter.request, choice, math.inf)
        else:
            waiter.result = self._refusal(waiter.request, choice)
        self._queue.remove(waiter, served=served)
        if not self._queue:
            self._set_timer(math.inf)
        waiter.finish()

    def _set_timer(self, delay: float) -> None:
        """Serve the queue after ``delay`` seconds, unless it is empty."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._wake_at = math.inf
        if self._queue and delay < math.inf:
            self._wake_at = self._clock.seconds() + delay
            self._timer = self._clock.callLater(max(delay, _SHORTEST_DELAY), self.serve)
