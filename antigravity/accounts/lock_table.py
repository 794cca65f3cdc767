"""Which account must not be used for which model, and until when: pure.

A time that the upstream named is kept to the second, up to a ceiling.  Since such times may be
wrong, a lock that lasts for long is probed now and then: one request may pass.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.accounts.lock_rules import LIMIT_KINDS, LockRule, rule_for
from antigravity.accounts.locks import Lock, LockScope, from_rows, to_rows
from antigravity.ir.errors import GatewayError

#: Failures in a row are forgotten after this many seconds without one.
FORGET_AFTER: Final = 3600.0
#: The longest lock without a setting that says so, in seconds.
MAX_LOCK: Final = 31 * 86400.0


class _Streak(Struct):
    """Failures of one kind in a row."""

    count: int
    last: float


class LockTable:
    """All locks.

    ``now`` returns seconds that pass evenly; ``wall`` returns seconds since the epoch, which go
    into snapshots.  ``chance`` returns a number from 0 to 1.

    :ivar max_lock: no lock lasts longer, in seconds.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        chance: Callable[[], float] = random.random,
        max_entries: int = 10_000,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self.max_lock = MAX_LOCK
        self._now = now
        self._wall = wall or now
        self._chance = chance
        self._max_entries = max_entries
        self._locks: dict[LockScope, Lock] = {}
        self._streaks: dict[tuple[LockScope, str], _Streak] = {}
        #: What is probed now.
        self._probing: set[LockScope] = set()
        #: When a quota that had room ended a lock last.
        self._lifted: dict[LockScope, float] = {}

    def __len__(self) -> int:
        return len(self._locks)

    def failed(
        self,
        upstream: str,
        credential: str,
        model: str,
        error: GatewayError,
        *,
        since: float | None = None,
        stamp: str = "",
        probe: bool = False,
    ) -> LockRule | None:
        """Lock what ``error`` is about, and return by which rule, if there is one.

        :param since: when the attempt began.  Attempts that ran side by side and failed
            together are one failure in a row, not many.
        :param stamp: stands for the secret that was used.
        :param probe: whether the attempt was a probe: a time that the upstream names now counts
            more than what it named before.
        """
        rule = rule_for(error)
        if rule is None:
            return None
        scope = _scope(rule, upstream, credential, model)
        count = self._count(scope, rule.kind, since)
        given = error.retry_after is not None and error.retry_after > 0
        if given and rule.step(count) < math.inf:
            assert error.retry_after is not None
            seconds = error.retry_after
        else:
            seconds = rule.step(count)
        seconds += rule.jitter * self._chance() * rule.step(count) if rule.jitter else 0.0
        whole = rule.reach == "account"
        if math.isfinite(seconds):
            seconds = min(seconds, self.max_lock)
        now = self._now()
        lock = Lock(
            now + seconds, rule.kind, given, stamp if whole else "", error.help_url, made=now
        )
        known = self._locks.get(scope)
        if probe and given and known is not None and known.may_be_wrong:
            del self._locks[scope]
        self._put(scope, lock)
        return rule

    def succeeded(
        self,
        upstream: str,
        credential: str,
        model: str,
        *,
        since: float | None = None,
        probe: bool = False,
    ) -> bool:
        """Forget failures in a row from before the attempt began; return if that ended a lock.

        Only locks that were guesses end, since the account has just shown them to be wrong, and
        those that were probed.
        """
        ended = probe and self._end_probed(upstream, credential, model)
        for scope in _scopes(upstream, credential, model):
            for key in [key for key in self._streaks if key[0] == scope]:
                if since is None or self._streaks[key].last <= since:
                    del self._streaks[key]
                    lock = self._locks.get(scope)
                    if lock is not None and lock.kind == key[1] and lock.estimated:
                        del self._locks[scope]
                        ended = True
        return ended

    def held(
        self, upstream: str, credential: str, model: str, stamp: Callable[[], str] | None = None
    ) -> Lock | None:
        """Return the lock that lasts longest, if the account is locked for the model.

        :param stamp: returns what stands for the account's secret now.
        """
        found = [lock for _, lock in self._in_force(upstream, credential, model, stamp)]
        return max(found, key=lambda lock: lock.until, default=None)

    def can_probe(
        self,
        upstream: str,
        credential: str,
        model: str,
        interval: float,
        stamp: Callable[[], str] | None = None,
    ) -> bool:
        """Return whether one request may pass the locks, to see if they are still needed.

        That is so where all of them may be wrong, and none was made or probed within
        ``interval`` seconds or is being probed.
        """
        now = self._now()
        locks = self._in_force(upstream, credential, model, stamp)
        return bool(locks) and all(
            lock.may_be_wrong
            and scope not in self._probing
            and now - max(lock.made, lock.probed) >= interval
            for scope, lock in locks
        )

    def begin_probe(self, upstream: str, credential: str, model: str) -> None:
        """Note that a request passes the locks."""
        now = self._now()
        for scope in _scopes(upstream, credential, model):
            lock = self._locks.get(scope)
            if lock is not None:
                self._locks[scope] = replace(lock, probed=now)
                self._probing.add(scope)

    def end_probe(self, upstream: str, credential: str, model: str) -> None:
        """Note that it has ended, however that was."""
        self._probing.difference_update(_scopes(upstream, credential, model))

    def release(self, credential: str, model: str = "", upstream: str = "") -> int:
        """Forget everything about one account (and model, if it is named).

        Return how many locks that has ended.

        :param upstream: if it is given, models of it that are locked for everyone are free, too.
        """

        def is_meant(scope: LockScope) -> bool:
            if scope.credential is None:
                own = bool(upstream) and scope.upstream == upstream
            else:
                own = scope.credential == credential
            return own and model in ("", scope.model)

        locks = [scope for scope in self._locks if is_meant(scope)]
        ended = sum(self._locks.pop(scope).until > self._now() for scope in locks)
        for key in [key for key in self._streaks if is_meant(key[0])]:
            del self._streaks[key]
        for scope in [scope for scope in self._lifted if is_meant(scope)]:
            del self._lifted[scope]
        return ended

    def lift(
        self,
        credential: str,
        left: Callable[[str], float | None],
        asked: float,
        interval: float,
    ) -> list[LockScope]:
        """End the limits of an account whose quota has room; return which ones.

        :param left: returns the fraction that is left for a model, if it is known.
        :param asked: when the upstream was asked: later locks know better.
        :param interval: a lock that comes again is not ended in the same way for so many seconds:
            the quota does not tell the truth.
        """
        now = self._now()
        ended = []
        for scope, lock in list(self._locks.items()):
            if scope.credential != credential or scope.model is None:
                continue
            if lock.kind not in LIMIT_KINDS or lock.made > asked or lock.until <= now:
                continue
            if scope in self._lifted and now - self._lifted[scope] < interval:
                continue
            room = left(scope.model)
            if room is not None and room > 0:
                del self._locks[scope]
                self._lifted[scope] = now
                ended.append(scope)
        return ended

    def accounts(self) -> set[str]:
        """Return the accounts of which something is known."""
        scopes = [*self._locks, *(scope for scope, _ in self._streaks)]
        return {scope.credential for scope in scopes if scope.credential is not None}

    def current(self) -> Iterator[tuple[LockScope, Lock]]:
        """Yield the locks that are in force."""
        now = self._now()
        yield from [(scope, lock) for scope, lock in self._locks.items() if lock.until > now]

    def snapshot(self) -> dict[str, Any]:
        """Return everything that a restart must not lose, as plain data."""
        self._prune()
        ahead = self._wall() - self._now()
        streaks = [(*key, each.count, each.last) for key, each in self._streaks.items()]
        return to_rows(self._locks.items(), streaks, ahead)

    def restore(self, data: Mapping[str, Any]) -> int:
        """Take in a snapshot; return how many of its entries made no sense.

        No lock lasts longer than :attr:`max_lock` from now, and none longer than it was to last
        from its beginning, whatever the clock said then.
        """
        kept = from_rows(data, self._wall() - self._now())
        for scope, lock in kept.locks:
            self._put(scope, self._in_time(lock))
        for scope, kind, count, last in kept.streaks:
            self._streaks[scope, kind] = _Streak(max(1, count), min(last, self._now()))
        self._prune()
        return kept.senseless

    def _in_time(self, lock: Lock) -> Lock:
        """Return a lock that cannot last longer than it was made for, or than the ceiling."""
        if math.isinf(lock.until):
            return lock
        now = self._now()
        made = lock.made if 0 < lock.made <= now else now
        length = lock.until - lock.made if lock.made > 0 else lock.until - now
        until = min(lock.until, made + max(0.0, length), now + self.max_lock)
        return replace(lock, until=until, made=made, probed=min(lock.probed, now))

    def _in_force(
        self, upstream: str, credential: str, model: str, stamp: Callable[[], str] | None
    ) -> list[tuple[LockScope, Lock]]:
        """Return the locks that keep an account from serving a model now."""
        now = self._now()
        found = []
        for scope in _scopes(upstream, credential, model):
            lock = self._locks.get(scope)
            if lock is None or lock.until <= now:
                continue
            if lock.made > now:  # the clock was set back
                lock = self._locks[scope] = self._in_time(lock)
            if lock.stamp and stamp is not None and lock.stamp != stamp():
                continue
            found.append((scope, lock))
        return found

    def _end_probed(self, upstream: str, credential: str, model: str) -> bool:
        """End the locks that a probe has shown to be wrong; return whether there were any."""
        ended = False
        for scope in _scopes(upstream, credential, model):
            lock = self._locks.get(scope)
            if lock is not None and lock.may_be_wrong:
                del self._locks[scope]
                self._streaks.pop((scope, lock.kind), None)
                ended = True
        return ended

    def _count(self, scope: LockScope, kind: str, since: float | None) -> int:
        """Count a failure, and return how many there were in a row."""
        now = self._now()
        streak = self._streaks.get((scope, kind))
        if streak is None or now - streak.last >= FORGET_AFTER:
            streak = self._streaks[scope, kind] = _Streak(0, now)
        streak.last = min(streak.last, now)
        if not streak.count or since is None or since >= streak.last:
            streak.count += 1
            streak.last = now
        return streak.count

    def _put(self, scope: LockScope, lock: Lock) -> None:
        known = self._locks.get(scope)
        stale = known is not None and lock.stamp and known.stamp != lock.stamp
        if known is None or stale or lock.until > known.until:
            self._locks[scope] = lock
        if max(len(self._locks), len(self._streaks)) > self._max_entries:
            self._prune()

    def _prune(self) -> None:
        """Forget what is over; if that is not enough, what is over soonest."""
        now = self._now()
        self._locks = {s: lock for s, lock in self._locks.items() if lock.until > now}
        self._lifted = {s: when for s, when in self._lifted.items() if now - when < FORGET_AFTER}
        self._streaks = {
            key: streak for key, streak in self._streaks.items() if now - streak.last < FORGET_AFTER
        }
        if len(self._locks) > self._max_entries:
            longest = sorted(self._locks.items(), key=lambda item: -item[1].until)
            self._locks = dict(longest[: self._max_entries])
        if len(self._streaks) > self._max_entries:
            latest = sorted(self._streaks.items(), key=lambda item: -item[1].last)
            self._streaks = dict(latest[: self._max_entries])


def _scope(rule: LockRule, upstream: str, credential: str, model: str) -> LockScope:
    if rule.reach == "account":
        return LockScope(upstream, credential, None)
    return LockScope(upstream, None if rule.reach == "everyone" else credential, model)


def _scopes(upstream: str, credential: str, model: str) -> tuple[LockScope, LockScope, LockScope]:
    return (
        LockScope(upstream, credential, model),
        LockScope(upstream, credential, None),
        LockScope(upstream, None, model),
    )
