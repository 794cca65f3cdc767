"""Know what is left of each account, by asking its upstream now and then."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from antigravity.accounts.account_disabler import InThread
from antigravity.accounts.protection import QuotaProtection
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.interfaces.quota import IQuotaSource, Quota, Tier
from antigravity.interfaces.selection import AccountFacts, Protection
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger

#: Seconds until it is looked again whether somebody has to be asked.
PACE: Final = 10.0
#: Seconds between two looks at the quotas that other processes have fetched.
_LOOKED: Final = 1.5 * PACE
#: No account is waited for longer.
LIMIT: Final = 60.0
#: Seconds until an account is asked anew that is in use and will soon have to be spared.
CLOSE_INTERVAL: Final = 60.0
#: How much an interval differs from the last one, so that gateways don't ask in step.
JITTER: Final = 0.1

#: Returns the accounts that can be asked, and whom to ask.
Sources = Callable[[], Iterable[tuple[IQuotaSource, Credential]]]


class QuotaMonitor(Service):
    """Asks for the quotas of accounts, one at a time, each once in an interval.

    :param interval: returns the seconds between two questions for one account; 0 is never.
    :param files: keeps what is known over a restart, if there is such a place.
    :param last_used: returns when an account was used last.
    :param learnt: is called when something new is known.
    :param told: is called with what an upstream has told of an account, and when it was asked.
    :ivar protection: what is kept back of quotas.
    """

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        sources: Sources,
        interval: Callable[[], float],
        in_thread: InThread,
        files: QuotaFiles | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        *,
        last_used: Callable[[str], float] = lambda identifier: 0.0,
        learnt: Callable[[], None] = lambda: None,
        told: Callable[[str, Quota, float], None] = lambda identifier, quota, asked: None,
    ) -> None:
        self.protection = QuotaProtection()
        self._last_used = last_used
        self._learnt = learnt
        self._told = told
        self._clock = clock
        self._sources = sources
        self._interval = interval
        self._in_thread = in_thread
        self._files = files
        self._jitter = jitter
        self._quotas: dict[str, Quota] = {}
        #: When each account was asked, and how much its interval varies.
        self._asked: dict[str, tuple[float, float]] = {}
        self._timer: IDelayedCall | None = None
        self._round: Deferred[None] | None = None

    def startService(self) -> None:
        """Remember what was known, and ask for what is not known or too old."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._files is not None:
            self._quotas = self._files.load()
        now = self._clock.seconds()
        self._asked = {
            identifier: (quota.fetched, self._variation())
            for identifier, quota in self._quotas.items()
            if quota.fetched <= now
        }
        self._timer = self._clock.callLater(0, self._tick)

    def stopService(self) -> Any:
        """Ask no more; return a Deferred that fires when nothing is under way."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        asking = self._round
        if asking is not None:
            asking.cancel()
        return asking

    def quota_of(self, identifier: str, model: str) -> float | None:
        """Return the fraction that is left of a model for an account, if it is known."""
        quota = self._quotas.get(identifier)
        return None if quota is None else quota.left(model, self._clock.seconds())

    def tier_of(self, identifier: str) -> Tier:
        """Return the tier of an account; empty if it isn't known."""
        quota = self._quotas.get(identifier)
        return "" if quota is None else quota.tier

    def known(self, identifier: str) -> Quota | None:
        """Return what the upstream told last of an account."""
        return self._quotas.get(identifier)

    def asked(self, identifier: str) -> float:
        """Return when the upstream was last asked for an account, 0 for never."""
        return self._asked.get(identifier, (0.0, 0.0))[0]

    def facts(self, credential: Credential, model: str) -> AccountFacts:
        """Return what is known of an account for a model."""
        quota = self._quotas.get(credential.id)
        if quota is None:
            return AccountFacts()
        now = self._clock.seconds()
        return AccountFacts(
            tier=quota.tier,
            remaining=quota.left(model, now),
            protection=self.protection.of_model(credential.id, quota, model, now),
        )

    def protections(self, credential: Credential) -> Sequence[Protection]:
        """Return which quotas of an account are protected now."""
        quota = self._quotas.get(credential.id)
        if quota is None:
            return ()
        return self.protection.current(credential.id, quota, self._clock.seconds())

    def refresh(self, source: IQuotaSource, credential: Credential) -> Deferred[Quota]:
        """Return a Deferred that fires with what is left of an account now, and keep it."""
        return Deferred.fromCoroutine(self._refresh(source, credential))

    def _tick(self) -> None:
        self._timer = None
        asking = self._round = Deferred.fromCoroutine(self._ask_all())
        asking.addErrback(self._broken)
        asking.addBoth(self._ended)

    def _ended(self, _: object) -> None:
        self._round = None
        if self.running:
            self._timer = self._clock.callLater(PACE, self._tick)

    def _broken(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("asking for quotas failed", failure=failure)

    async def _ask_all(self) -> None:
        """Ask for every account whose time has come."""
        interval = self._interval()
        present = list(self._sources())
        for source, credential in present:
            if interval <= 0 or not self._is_due(credential.id, interval):
                continue
            try:
                await self._refresh(source, credential)
            except GatewayError as error:
                if not self.running:
                    return
                self.log.warn(
                    "the quota of {credential} is not known: {error}",
                    credential=credential.id,
                    error=error.message,
                )
        if present:
            accounts = {credential.id for _, credential in present}
            await self._forget(accounts)
            await self._take_in(accounts)

    def _is_due(self, identifier: str, interval: float) -> bool:
        """Return whether it is time to ask for an account (anew)."""
        now = self._clock.seconds()
        asked, variation = self._asked.get(identifier, (0.0, 0.0))
        quota = self._quotas.get(identifier)
        used = self._last_used(identifier) > asked
        if used and quota is not None and self.protection.is_close(quota, now):
            interval = min(interval, CLOSE_INTERVAL)
        return bool(asked + interval * variation <= now)

    async def _refresh(self, source: IQuotaSource, credential: Credential) -> Quota:
        self._asked[credential.id] = (self._clock.seconds(), self._variation())
        asking = source.quota(credential)
        asking.addTimeout(LIMIT, self._clock, onTimeoutCancel=_too_slow)
        began = self._clock.seconds()
        quota = await asking
        self._quotas[credential.id] = quota
        self._told(credential.id, quota, began)
        self._learnt()
        if self._files is not None:
            try:
                await self._in_thread(self._files.save, credential.id, quota)
            except OSError as error:
                self.log.error("quotas cannot be kept: {why}", why=error.strerror or "unknown")
        return quota

    async def _forget(self, present: set[str]) -> None:
        """Keep no memory of accounts that are no more."""
        self.protection.keep_only(present)
        gone = (self._asked.keys() | self._quotas.keys()) - present
        for identifier in gone:
            self._asked.pop(identifier, None)
            self._quotas.pop(identifier, None)
        if gone and self._files is not None:
            await self._in_thread(self._files.forget, gone)

    async def _take_in(self, present: set[str]) -> None:
        """Read the quotas that another process (``antigravity accounts refresh``) has fetched."""
        if self._files is None:
            return
        found: dict[str, Quota] = await self._in_thread(self._files.load_changed)
        now = self._clock.seconds()
        for identifier, quota in found.items():
            if identifier in present and quota != self._quotas.get(identifier):
                self._quotas[identifier] = quota
                self._asked[identifier] = (now, self._variation())
                # The clock of the other process may be another one.
                asked = min(now, max(quota.fetched, now - _LOOKED))
                self._told(identifier, quota, asked)
                self._learnt()

    def _variation(self) -> float:
        return self._jitter(1.0 - JITTER, 1.0 + JITTER)


def _too_slow(result: object, timeout: float) -> object:
    """Turn what a cancelled question gives into an error that says why."""
    if isinstance(result, Failure) and result.check(CancelledError, GatewayError):
        raise GatewayError(f"no answer within {timeout:g} seconds")
    return result
