"""Fetches the quotas of accounts from their upstreams at intervals."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from antigravity.accounts.account_disabler import InThread
from antigravity.accounts.known_quotas import KnownQuotas
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.interfaces.quota import IQuotaSource, Quota
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger

#: Seconds between two checks whether a quota must be fetched.
PACE: Final = 10.0
#: The greatest age of a change in the quota files that a check finds, in seconds.
_FILE_AGE: Final = 1.5 * PACE
#: Seconds after which a fetch fails.
TIMEOUT: Final = 60.0
#: Seconds between two fetches for an account in use that is close to its threshold.
CLOSE_INTERVAL: Final = 60.0
#: The random variation of an interval, so that gateways do not fetch at the same time.
JITTER: Final = 0.1

#: Returns the accounts whose quota can be fetched, each with its upstream.
Sources = Callable[[], Iterable[tuple[IQuotaSource, Credential]]]


class QuotaMonitor(Service):
    """Fetches quotas one account at a time, each once per interval.

    :param quotas: where fetched quotas go.
    :param files: stores the quotas over restarts.
    :param last_used: returns when an account was last used.
    :param on_quota: called with an account id, its new quota, and when the fetch began.
    :param on_change: called after ``on_quota``.
    :ivar interval: the seconds between two fetches for one account; 0 disables them.
    """

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        quotas: KnownQuotas,
        sources: Sources,
        in_thread: InThread,
        files: QuotaFiles | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        *,
        last_used: Callable[[str], float] = lambda identifier: 0.0,
        on_quota: Callable[[str, Quota, float], None] = lambda identifier, quota, fetched: None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.interval = 0.0
        self._quotas = quotas
        self._last_used = last_used
        self._on_quota = on_quota
        self._on_change = on_change
        self._clock = clock
        self._sources = sources
        self._in_thread = in_thread
        self._files = files
        self._jitter = jitter
        #: When the quota of each account was last fetched, and the factor of its next interval.
        self._fetched: dict[str, tuple[float, float]] = {}
        self._timer: IDelayedCall | None = None
        self._round: Deferred[None] | None = None

    def startService(self) -> None:
        """Load the stored quotas, and fetch those that are missing or too old."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._files is not None:
            self._quotas.update(self._files.load())
        now = self._clock.seconds()
        self._fetched = {
            identifier: (quota.fetched, self._variation())
            for identifier, quota in self._quotas.items()
            if quota.fetched <= now
        }
        self._timer = self._clock.callLater(0, self._tick)

    def stopService(self) -> Any:
        """Cancel the current fetch, and return a Deferred that fires when it has ended."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        current = self._round
        if current is not None:
            current.cancel()
        return current

    def quota(self, identifier: str) -> Quota | None:
        """Return the last known quota of an account."""
        return self._quotas.get(identifier)

    def last_fetch(self, identifier: str) -> float:
        """Return when the quota of an account was last fetched or tried to be, 0 for never."""
        return self._fetched.get(identifier, (0.0, 0.0))[0]

    def refresh(self, source: IQuotaSource, credential: Credential) -> Deferred[Quota]:
        """Fetch the quota of an account now, and return a Deferred that fires with it."""
        return Deferred.fromCoroutine(self._refresh(source, credential))

    def _tick(self) -> None:
        self._timer = None
        current = self._round = Deferred.fromCoroutine(self._fetch_due())
        current.addErrback(self._log_failure)
        current.addBoth(self._schedule_next)

    def _schedule_next(self, _: object) -> None:
        self._round = None
        if self.running:
            self._timer = self._clock.callLater(PACE, self._tick)

    def _log_failure(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("fetching quotas failed", failure=failure)

    async def _fetch_due(self) -> None:
        """Fetch the quotas that are due, and load those that other processes have written."""
        present = list(self._sources())
        for source, credential in present:
            if self.interval <= 0 or not self._is_due(credential.id, self.interval):
                continue
            try:
                await self._refresh(source, credential)
            except GatewayError as error:
                if not self.running:
                    return
                self.log.warn(
                    "the quota of {credential} could not be fetched: {error}",
                    credential=credential.id,
                    error=error.message,
                )
        if present:
            accounts = {credential.id for _, credential in present}
            await self._remove_others(accounts)
            await self._load_changed(accounts)

    def _is_due(self, identifier: str, interval: float) -> bool:
        """Return whether the quota of an account must be fetched."""
        now = self._clock.seconds()
        fetched, variation = self._fetched.get(identifier, (0.0, 0.0))
        quota = self._quotas.get(identifier)
        used = self._last_used(identifier) > fetched
        if used and quota is not None and self._quotas.protection.is_close(quota, now):
            interval = min(interval, CLOSE_INTERVAL)
        return bool(fetched + interval * variation <= now)

    async def _refresh(self, source: IQuotaSource, credential: Credential) -> Quota:
        self._fetched[credential.id] = (self._clock.seconds(), self._variation())
        response = source.quota(credential)
        response.addTimeout(TIMEOUT, self._clock, onTimeoutCancel=_timed_out)
        began = self._clock.seconds()
        quota = await response
        self._set(credential.id, quota, began)
        if self._files is not None:
            try:
                await self._in_thread(self._files.save, credential.id, quota)
            except OSError as error:
                self.log.error("quotas cannot be stored: {why}", why=error.strerror or "unknown")
        return quota

    def _set(self, identifier: str, quota: Quota, fetched: float) -> None:
        self._quotas[identifier] = quota
        self._on_quota(identifier, quota, fetched)
        self._on_change()

    async def _remove_others(self, present: set[str]) -> None:
        """Remove the quotas of accounts that no longer exist."""
        self._quotas.protection.keep_only(present)
        removed = (self._fetched.keys() | self._quotas.keys()) - present
        for identifier in removed:
            self._fetched.pop(identifier, None)
            self._quotas.pop(identifier, None)
        if removed and self._files is not None:
            await self._in_thread(self._files.forget, removed)

    async def _load_changed(self, present: set[str]) -> None:
        """Load the quotas that another process (``antigravity accounts refresh``) has written."""
        if self._files is None:
            return
        found: dict[str, Quota] = await self._in_thread(self._files.load_changed)
        now = self._clock.seconds()
        for identifier, quota in found.items():
            if identifier in present and quota != self._quotas.get(identifier):
                self._fetched[identifier] = (now, self._variation())
                # The clock of the other process may differ.
                self._set(identifier, quota, min(now, max(quota.fetched, now - _FILE_AGE)))

    def _variation(self) -> float:
        return self._jitter(1.0 - JITTER, 1.0 + JITTER)


def _timed_out(result: object, timeout: float) -> object:
    """Replace the error of a cancelled fetch with one that names the reason."""
    if isinstance(result, Failure) and result.check(CancelledError, GatewayError):
        raise GatewayError(f"no response within {timeout:g} seconds")
    return result
