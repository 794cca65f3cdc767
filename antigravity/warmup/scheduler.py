"""Sends warm-ups, on schedule for full quotas and on demand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from twisted.application.service import Service
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredSemaphore,
    gatherResults,
    succeed,
)
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from antigravity.accounts.quota_monitor import QuotaMonitor
from antigravity.exchange.operations.warmup import Warmup
from antigravity.interfaces.quota import IQuotaSource
from antigravity.interfaces.stores import IStateStore
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger
from antigravity.warmup.history import WarmupHistory
from antigravity.warmup.plan import WarmupPlan, WarmupState

#: Seconds between two checks whether a scan is due.
PACE: Final = 10.0
#: Seconds from the start to the first scan, so that quotas are known by then.
FIRST: Final = 30.0
#: The random variation of an interval.
JITTER: Final = 0.1
#: Seconds over which the warm-ups of one scan are spread.
SPREAD: Final = 20.0
#: The number of parallel warm-ups.
AT_ONCE: Final = 3

#: Returns the accounts whose quota can be fetched, each with its upstream.
Sources = Callable[[], Iterable[tuple[IQuotaSource, Credential]]]
#: Sends a warm-up, and calls the given function when the request begins.
Send = Callable[[Warmup, Callable[[], None]], Deferred[None]]


OutcomeState = Literal["warmed", "skipped", "failed", "cancelled"]


class Outcome(Struct, frozen=True):
    """The result of a warm-up; ``model`` is a model group if it was skipped."""

    account: str
    upstream: str
    model: str
    state: OutcomeState
    reason: str = ""


class WarmupScheduler(Service):
    """Runs the schedule.  It stops before the service that waits for running exchanges.

    :param chance: returns a number from 0 to 1, which spreads requests.
    :ivar plan: decides by the current settings.
    """

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        sources: Sources,
        quotas: QuotaMonitor,
        send: Send,
        state: IStateStore | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.plan = WarmupPlan()
        self._clock = clock
        self._sources = sources
        self._quotas = quotas
        self._send = send
        self._state = state
        self._chance = chance
        changed = (lambda: None) if state is None else state.changed
        self.history = WarmupHistory(clock.seconds, changed)
        self._turns = DeferredSemaphore(AT_ONCE)
        self._running: set[tuple[str, str]] = set()
        self._on_demand: set[Deferred[Any]] = set()
        self._timer: IDelayedCall | None = None
        self._round: Deferred[None] | None = None
        self._begins = 0.0
        self._scanned = -math.inf
        self._variation = 1.0

    # Life cycle

    def startService(self) -> None:
        """Restore the history, and start the schedule."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._state is not None:
            invalid = self.history.restore(self._state.load())
            if invalid:
                self.log.warn("ignored {n} invalid entries of the stored warm-ups", n=invalid)
            self._state.watch(self.history.snapshot)
        self._begins = self._clock.seconds() + FIRST
        self._timer = self._clock.callLater(PACE, self._tick)

    def stopService(self) -> Any:
        """Cancel all warm-ups, and return a Deferred that fires when the history is stored."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if self._round is not None:
            self._round.cancel()
        for pending in list(self._on_demand):
            pending.cancel()
        return succeed(None) if self._state is None else self._state.stop()

    # On demand

    def warm_up(self, warmups: Sequence[Warmup]) -> Deferred[list[Outcome]]:
        """Send warm-ups now, and return a Deferred that fires with their results."""
        pending = self._all(warmups)
        self._on_demand.add(pending)
        return pending.addBoth(self._finished, pending)

    async def states(
        self, source: IQuotaSource, credential: Credential, *, force: bool = True
    ) -> tuple[Sequence[WarmupState], str]:
        """Return the states of an account's quotas, fetched if necessary, and an error.

        The error is empty if no fetch failed.

        :param force: whether to fetch even if the last attempt is recent.
        """
        problem = ""
        states = self._states(credential)
        stale = any(each.state == "stale" for each in states)
        if stale and (force or self._may_fetch(credential)):
            try:
                await self._quotas.refresh(source, credential)
            except GatewayError as error:
                problem = error.message
            states = self._states(credential)
        return states, problem

    def _finished(self, result: Any, pending: Deferred[Any]) -> Any:
        self._on_demand.discard(pending)
        return result

    # The schedule

    def _tick(self) -> None:
        self._timer = None
        now, interval = self._clock.seconds(), self.plan.interval
        if interval <= 0 or now < max(self._begins, self._scanned + interval * self._variation):
            self._timer = self._clock.callLater(PACE, self._tick)
            return
        self._scanned = now
        self._variation = 1.0 + JITTER * (2 * self._chance() - 1)
        scan = self._round = Deferred.fromCoroutine(self._scan())
        scan.addErrback(self._log_failure)
        scan.addBoth(self._schedule_next)

    def _schedule_next(self, _: object) -> None:
        self._round = None
        if self.running:
            self._timer = self._clock.callLater(PACE, self._tick)

    def _log_failure(self, failure: Failure) -> None:
        if self.running or not failure.check(CancelledError):
            self.log.failure("the scheduled warm-up failed", failure=failure)

    async def _scan(self) -> None:
        """Warm up all quotas that are due."""
        self.history.forget(self._clock.seconds() - self.plan.longest_cooldown)
        due: list[Warmup] = []
        for source, credential in list(self._sources()):
            states, problem = await self.states(source, credential, force=False)
            if problem:
                self.log.warn(
                    "the quota of {credential} could not be fetched: {problem}",
                    credential=credential.id,
                    problem=problem,
                )
            due += [
                Warmup(credential.upstream, credential.id, each.model)
                for each in states
                if each.state == "due"
            ]
        await self._all(due, spread=SPREAD)

    def _states(self, credential: Credential) -> list[WarmupState]:
        quota, now = self._quotas.quota(credential.id), self._clock.seconds()
        return self.plan.states(credential.id, quota, self.history, now)

    def _may_fetch(self, credential: Credential) -> bool:
        """Return whether the last attempt to fetch a quota is old enough."""
        since = self._clock.seconds() - self._quotas.last_fetch(credential.id)
        return bool(since >= self.plan.fresh_for * (1.0 - 2 * JITTER))

    # One warm-up

    def _all(self, warmups: Sequence[Warmup], spread: float = 0.0) -> Deferred[list[Outcome]]:
        """Return a Deferred that fires with the results; cancelling it cancels all warm-ups."""
        sent = [Deferred.fromCoroutine(self._warm(each, spread)) for each in warmups]
        # Cancelled in this order, so that those waiting for their turn do not start.
        return gatherResults(sent[::-1], consumeErrors=True).addCallback(lambda done: done[::-1])

    async def _warm(self, warmup: Warmup, spread: float) -> Outcome:
        key = (warmup.credential, warmup.model)
        if key in self._running:
            return _outcome(warmup, "skipped", "another one is in progress")
        self._running.add(key)
        try:
            if spread:
                await deferLater(self._clock, spread * self._chance())
            await self._turns.acquire()
            try:
                if not self.running:
                    raise CancelledError
                return await self._send_one(warmup)
            finally:
                self._turns.release()
        except CancelledError:  # the other results are still needed
            return _outcome(warmup, "cancelled", "it was cancelled")
        finally:
            self._running.discard(key)

    async def _send_one(self, warmup: Warmup) -> Outcome:
        account, names = warmup.credential, self.plan.names_of(warmup.model)
        sent = False

        def begun() -> None:
            nonlocal sent
            sent = True
            self.history.record(account, names, failed=True)

        try:
            await self._send(warmup, begun)
        except GatewayError as error:
            what = "failed" if sent else "was not possible"
            self.log.warn(
                "warming up {account} for {model} {what}: {error}",
                account=account,
                model=warmup.model,
                what=what,
                error=error.message,
            )
            return _outcome(warmup, "failed" if sent else "skipped", error.message)
        self.history.record(account, names, failed=False)
        self.log.info("warmed up {account} for {model}", account=account, model=warmup.model)
        return _outcome(warmup, "warmed")


def _outcome(warmup: Warmup, state: OutcomeState, reason: str = "") -> Outcome:
    return Outcome(warmup.credential, warmup.upstream, warmup.model, state, reason)
