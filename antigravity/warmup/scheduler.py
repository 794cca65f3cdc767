"""Send warm-ups: on a schedule where quotas are full, and when the operator asks for them."""

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

#: Seconds until it is looked again whether a scan is due.
PACE: Final = 10.0
#: The first scan comes so many seconds after the start, when quotas are known.
FIRST: Final = 30.0
#: How much an interval differs from the last one.
JITTER: Final = 0.1
#: The warm-ups of one scan are spread over so many seconds.
SPREAD: Final = 20.0
#: So many are under way at a time.
AT_ONCE: Final = 3

#: Returns the accounts whose quota can be asked for, and whom to ask.
Sources = Callable[[], Iterable[tuple[IQuotaSource, Credential]]]
#: Sends one; the function that it is given is to be called once nothing keeps it any more.
Send = Callable[[Warmup, Callable[[], None]], Deferred[None]]


OutcomeState = Literal["warmed", "skipped", "failed", "cancelled"]


class Outcome(Struct, frozen=True):
    """What became of a warm-up; ``model`` may be the name of a group that was left alone."""

    account: str
    upstream: str
    model: str
    state: OutcomeState
    reason: str = ""


class WarmupScheduler(Service):
    """Keeps the schedule.  It is stopped before who waits for running exchanges.

    :param luck: returns a number from 0 to 1, which spreads requests.
    :ivar plan: what the configuration says.
    """

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        sources: Sources,
        quotas: QuotaMonitor,
        send: Send,
        state: IStateStore | None = None,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self.plan = WarmupPlan()
        self._clock = clock
        self._sources = sources
        self._quotas = quotas
        self._send = send
        self._state = state
        self._luck = luck
        changed = (lambda: None) if state is None else state.changed
        self.history = WarmupHistory(clock.seconds, changed)
        self._turns = DeferredSemaphore(AT_ONCE)
        self._running: set[tuple[str, str]] = set()
        self._asked: set[Deferred[Any]] = set()
        self._timer: IDelayedCall | None = None
        self._round: Deferred[None] | None = None
        self._begins = 0.0
        self._scanned = -math.inf
        self._variation = 1.0

    # Life

    def startService(self) -> None:
        """Remember what was warmed up, and begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._state is not None:
            senseless = self.history.restore(self._state.load())
            if senseless:
                self.log.warn("{n} kept warm-ups make no sense, and are dropped", n=senseless)
            self._state.watch(self.history.snapshot)
        self._begins = self._clock.seconds() + FIRST
        self._timer = self._clock.callLater(PACE, self._tick)

    def stopService(self) -> Any:
        """Cancel everything; return a Deferred that fires when what was done is kept."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if self._round is not None:
            self._round.cancel()
        for asked in list(self._asked):
            asked.cancel()
        return succeed(None) if self._state is None else self._state.stop()

    # On demand

    def warm_up(self, warmups: Sequence[Warmup]) -> Deferred[list[Outcome]]:
        """Return a Deferred that fires with what became of each; all are sent now."""
        asked = self._all(warmups)
        self._asked.add(asked)
        return asked.addBoth(self._answered, asked)

    async def survey(
        self, source: IQuotaSource, credential: Credential, *, insist: bool = True
    ) -> tuple[Sequence[WarmupState], str]:
        """Return how the quotas of an account stand, asked for anew if that is needed.

        The text says why they could not be asked for, if they could not.

        :param insist: whether to ask although that was done just now, perhaps in vain.
        """
        problem = ""
        states = self._standings(credential)
        stale = any(each.state == "stale" for each in states)
        if stale and (insist or self._may_ask(credential)):
            try:
                await self._quotas.refresh(source, credential)
            except GatewayError as error:
                problem = error.message
            states = self._standings(credential)
        return states, problem

    def _answered(self, result: Any, asked: Deferred[Any]) -> Any:
        self._asked.discard(asked)
        return result

    # The schedule

    def _tick(self) -> None:
        self._timer = None
        now, interval = self._clock.seconds(), self.plan.interval
        if interval <= 0 or now < max(self._begins, self._scanned + interval * self._variation):
            self._timer = self._clock.callLater(PACE, self._tick)
            return
        self._scanned = now
        self._variation = 1.0 + JITTER * (2 * self._luck() - 1)
        scan = self._round = Deferred.fromCoroutine(self._scan())
        scan.addErrback(self._broken)
        scan.addBoth(self._ended)

    def _ended(self, _: object) -> None:
        self._round = None
        if self.running:
            self._timer = self._clock.callLater(PACE, self._tick)

    def _broken(self, failure: Failure) -> None:
        if self.running or not failure.check(CancelledError):
            self.log.failure("the scheduled warm-up failed", failure=failure)

    async def _scan(self) -> None:
        """Warm up everything that is due."""
        self.history.forget(self._clock.seconds() - self.plan.longest_cooldown)
        due: list[Warmup] = []
        for source, credential in list(self._sources()):
            states, problem = await self.survey(source, credential, insist=False)
            if problem:
                self.log.warn(
                    "the quota of {credential} is not known: {problem}",
                    credential=credential.id,
                    problem=problem,
                )
            due += [
                Warmup(credential.upstream, credential.id, each.model)
                for each in states
                if each.state == "due"
            ]
        await self._all(due, spread=SPREAD)

    def _standings(self, credential: Credential) -> list[WarmupState]:
        quota, now = self._quotas.quota(credential.id), self._clock.seconds()
        return self.plan.states(credential.id, quota, self.history, now)

    def _may_ask(self, credential: Credential) -> bool:
        """Return whether the upstream was not asked just now, in vain or not."""
        since = self._clock.seconds() - self._quotas.last_fetch(credential.id)
        return bool(since >= self.plan.fresh_for * (1.0 - 2 * JITTER))

    # One warm-up

    def _all(self, warmups: Sequence[Warmup], spread: float = 0.0) -> Deferred[list[Outcome]]:
        """Return a Deferred that fires with the outcomes; cancelling it cancels all of them."""
        sent = [Deferred.fromCoroutine(self._warm(each, spread)) for each in warmups]
        # They are cancelled in this order: first those that wait for the turn of others.
        return gatherResults(sent[::-1], consumeErrors=True).addCallback(lambda done: done[::-1])

    async def _warm(self, warmup: Warmup, spread: float) -> Outcome:
        key = (warmup.credential, warmup.model)
        if key in self._running:
            return _outcome(warmup, "skipped", "one is under way already")
        self._running.add(key)
        try:
            if spread:
                await deferLater(self._clock, spread * self._luck())
            await self._turns.acquire()
            try:
                if not self.running:
                    raise CancelledError
                return await self._sent(warmup)
            finally:
                self._turns.release()
        except CancelledError:  # by who waits for all of them: they get what there is
            return _outcome(warmup, "cancelled", "it was cancelled")
        finally:
            self._running.discard(key)

    async def _sent(self, warmup: Warmup) -> Outcome:
        account, names = warmup.credential, self.plan.names_of(warmup.model)
        sent = False

        def begun() -> None:
            nonlocal sent
            sent = True
            self.history.note(account, names, failed=True)

        try:
            await self._send(warmup, begun)
        except GatewayError as error:
            what = "failed" if sent else "is not possible now"
            self.log.warn(
                "warming up {account} for {model} {what}: {error}",
                account=account,
                model=warmup.model,
                what=what,
                error=error.message,
            )
            return _outcome(warmup, "failed" if sent else "skipped", error.message)
        self.history.note(account, names, failed=False)
        self.log.info("warmed up {account} for {model}", account=account, model=warmup.model)
        return _outcome(warmup, "warmed")


def _outcome(warmup: Warmup, state: OutcomeState, reason: str = "") -> Outcome:
    return Outcome(warmup.credential, warmup.upstream, warmup.model, state, reason)
