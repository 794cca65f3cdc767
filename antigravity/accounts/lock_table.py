"""The locks of accounts: which one must not be used for which model, and until when.  Pure.

A lock ends exactly at the time that the upstream named, up to a maximum.  Since that time may be
wrong, long locks are probed: one request per interval may use the account.
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

#: A streak of failures ends after this many seconds without one.
FORGET_AFTER: Final = 3600.0
#: The default for the longest lock, in seconds.
MAX_LOCK: Final = 31 * 86400.0


class _Streak(Struct):
    """Failures of one kind in a row."""

    count: int
    last: float


class LockTable:
    """All locks, and the failures in a row that determine their durations.

    :param now: returns seconds that pass evenly.
    :param wall: returns seconds since the epoch, for snapshots.
    :param chance: returns a number from 0 to 1.
    :ivar max_lock: the longest duration of a lock, in seconds.
    :ivar on_change: called with the scope of a lock that begins, changes or ends before its time.
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
        self.on_change: Callable[[LockScope], None] = lambda scope: None
        self._now = now
        self._wall = wall or now
        self._chance = chance
        self._max_entries = max_entries
        self._locks: dict[LockScope, Lock] = {}
        self._streaks: dict[tuple[LockScope, str], _Streak] = {}
        self._probing: set[LockScope] = set()
        #: When a fetched quota last ended a lock.
        self._ended_by_quota: dict[LockScope, float] = {}

    def __len__(self) -> int:
        return len(self._locks)

    def record_failure(
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
        """Lock what ``error`` affects, and return the rule that applied, if there is one.

        :param since: when the attempt began.  Parallel attempts that fail together count as one
            failure in a row.
        :param stamp: the hash of the secret that was used.
        :param probe: whether the attempt was a probe.  If so, a time that the upstream names now
            replaces the earlier one.
        """
        rule = rule_for(error)
        if rule is None:
            return None
        scope = _scope(rule, upstream, credential, model)
        count = self._count(scope, rule.kind, since)
        given = error.retry_after is not None and error.retry_after > 0
        duration = rule.duration(count)
        seconds = duration
        if given and duration < math.inf:
            assert error.retry_after is not None
            seconds = error.retry_after
        seconds += rule.jitter * self._chance() * duration if rule.jitter else 0.0
        if math.isfinite(seconds):
            seconds = min(seconds, self.max_lock)
        now = self._now()
        stamp = stamp if rule.scope == "account" else ""
        rests_until = now + rule.pause(count)
        lock = Lock(
            now + seconds, rule.kind, given, stamp, error.help_url, now, rests_until=rests_until
        )
        known = self._locks.get(scope)
        if probe and given and known is not None and known.may_be_wrong:
            del self._locks[scope]
        self._put(scope, lock)
        self.on_change(scope)
        return rule

    def record_success(
        self,
        upstream: str,
        credential: str,
        model: str,
        *,
        since: float | None = None,
        probe: bool = False,
    ) -> bool:
        """End streaks from before the attempt began; return whether that ended a lock.

        Estimated locks end, since the success has shown them to be wrong, and so do probed ones.
        """
        ended = probe and self._end_probed(upstream, credential, model)
        if not self._streaks:
            return ended
        for scope in _scopes(upstream, credential, model):
            for key in [key for key in self._streaks if key[0] == scope]:
                if since is None or self._streaks[key].last <= since:
                    del self._streaks[key]
                    lock = self._locks.get(scope)
                    if lock is not None and lock.kind == key[1] and lock.estimated:
                        self._end(scope)
                        ended = True
        return ended

    def strongest_lock(
        self, upstream: str, credential: str, model: str, stamp: Callable[[], str] | None = None
    ) -> Lock | None:
        """Return the active lock of the account for the model that counts, if there is one.

        That is the longest one that is not estimated, or the longest if all are.

        :param stamp: returns the hash of the account's current secret.
        """
        found = [lock for _, lock in self._active(upstream, credential, model, stamp)]
        return max(found, key=_strength, default=None)

    def can_probe(
        self,
        upstream: str,
        credential: str,
        model: str,
        interval: float,
        stamp: Callable[[], str] | None = None,
    ) -> bool:
        """Return whether one request may use the account to see if its locks are still needed.

        That is so if all of them may be wrong, and none was made or probed within ``interval``
        seconds or is being probed.
        """
        now = self._now()
        locks = self._active(upstream, credential, model, stamp)
        return bool(locks) and all(
            lock.may_be_wrong
            and scope not in self._probing
            and now - max(lock.made, lock.probed) >= interval
            for scope, lock in locks
        )

    def begin_probe(self, upstream: str, credential: str, model: str) -> None:
        """Record that a probe of the locks begins."""
        now = self._now()
        for scope in _scopes(upstream, credential, model):
            lock = self._locks.get(scope)
            if lock is not None:
                self._locks[scope] = replace(lock, probed=now)
                self._probing.add(scope)
                self.on_change(scope)

    def end_probe(self, upstream: str, credential: str, model: str) -> None:
        """Record that a probe has ended."""
        self._probing.difference_update(_scopes(upstream, credential, model))

    def remove(self, credential: str, model: str = "", upstream: str = "") -> int:
        """Remove the locks and streaks of one account, for one model or all.

        Return the number of active locks that ended.

        :param upstream: if given, locks of its models for everyone are removed as well.
        """

        def matches(scope: LockScope) -> bool:
            if scope.credential is None:
                own = bool(upstream) and scope.upstream == upstream
            else:
                own = scope.credential == credential
            return own and model in ("", scope.model)

        locks = [scope for scope in self._locks if matches(scope)]
        ended = sum(self._end(scope).until > self._now() for scope in locks)
        for key in [key for key in self._streaks if matches(key[0])]:
            del self._streaks[key]
        for scope in [scope for scope in self._ended_by_quota if matches(scope)]:
            del self._ended_by_quota[scope]
        return ended

    def remove_by_quota(
        self,
        credential: str,
        remaining: Callable[[str], float | None],
        fetched: float,
        interval: float,
    ) -> list[LockScope]:
        """Remove the limit locks of an account for models with remaining quota; return them.

        :param remaining: returns the remaining fraction for a model, if it is known.
        :param fetched: when the request for the quota was sent; later locks stay.
        :param interval: the seconds for which a quota cannot end the same lock again, since the
            upstream may report a wrong quota.
        """
        now = self._now()
        ended = []
        for scope, lock in list(self._locks.items()):
            if scope.credential != credential or scope.model is None:
                continue
            if lock.kind not in LIMIT_KINDS or lock.made > fetched or lock.until <= now:
                continue
            if now - self._ended_by_quota.get(scope, -math.inf) < interval:
                continue
            if (remaining(scope.model) or 0.0) > 0.0:
                self._end(scope)
                self._ended_by_quota[scope] = now
                ended.append(scope)
        return ended

    def accounts(self) -> set[str]:
        """Return the accounts that have locks or streaks."""
        scopes = [*self._locks, *(scope for scope, _ in self._streaks)]
        return {scope.credential for scope in scopes if scope.credential is not None}

    def active_locks(self) -> Iterator[tuple[LockScope, Lock]]:
        """Yield the locks that have not ended."""
        now = self._now()
        yield from [(scope, lock) for scope, lock in self._locks.items() if lock.until > now]

    def row(self, scope: LockScope) -> tuple[float, dict[str, Any]] | None:
        """Return the seconds of an active lock that are left, and it as data for :meth:`use`.

        ``None`` if there is none.  The address for the owner is left out.
        """
        lock = self._locks.get(scope)
        if lock is None or lock.until <= self._now():
            return None
        lock = replace(lock, help="")
        ahead = self._wall() - self._now()
        found = ((key, self._streaks.get(key)) for key in [(scope, lock.kind)])
        streaks = [(*key, each.count, each.last) for key, each in found if each is not None]
        return lock.until - self._now(), to_rows([(scope, lock)], streaks, ahead)

    def use(self, scope: LockScope, data: Mapping[str, Any] | None) -> Lock | None:
        """Use the lock that another gateway has for a scope; ``None`` if it has ended there.

        Return the lock.
        """
        stored = from_rows(data or {}, self._wall() - self._now())
        lock = next((each for place, each in stored.locks if place == scope), None)
        known = self._locks.pop(scope, None)
        if lock is None:
            if known is not None:
                self._streaks.pop((scope, known.kind), None)
            return None
        self._put(scope, self._limited(lock))
        for place, kind, count, last in stored.streaks:
            streak = self._streaks.get((place, kind))
            if place == scope and (streak is None or streak.count < count):
                self._streaks[place, kind] = _Streak(max(1, count), min(last, self._now()))
        return self._locks.get(scope)

    def snapshot(self) -> dict[str, Any]:
        """Return locks and streaks as plain data."""
        self._prune()
        ahead = self._wall() - self._now()
        streaks = [(*key, each.count, each.last) for key, each in self._streaks.items()]
        return to_rows(self._locks.items(), streaks, ahead)

    def restore(self, data: Mapping[str, Any]) -> int:
        """Restore a snapshot; return the number of its invalid entries.

        No lock lasts longer than :attr:`max_lock` from now, or than its original duration, even if
        the system clock was set in the meantime.
        """
        stored = from_rows(data, self._wall() - self._now())
        for scope, lock in stored.locks:
            self._put(scope, self._limited(lock))
        for scope, kind, count, last in stored.streaks:
            self._streaks[scope, kind] = _Streak(max(1, count), min(last, self._now()))
        self._prune()
        return stored.invalid

    def _limited(self, lock: Lock) -> Lock:
        """Return a lock limited to its original duration and to the maximum."""
        if math.isinf(lock.until):
            return lock
        now = self._now()
        made = lock.made if 0 < lock.made <= now else now
        length = lock.until - lock.made if lock.made > 0 else lock.until - now
        until = min(lock.until, made + max(0.0, length), now + self.max_lock)
        return replace(lock, until=until, made=made, probed=min(lock.probed, now))

    def _active(
        self, upstream: str, credential: str, model: str, stamp: Callable[[], str] | None
    ) -> list[tuple[LockScope, Lock]]:
        """Return the active locks that prevent an account from serving a model."""
        if not self._locks:
            return []
        now = self._now()
        found = []
        for scope in _scopes(upstream, credential, model):
            lock = self._locks.get(scope)
            if lock is None or lock.until <= now:
                continue
            if lock.made > now:  # the clock was set back
                lock = self._locks[scope] = self._limited(lock)
            if lock.stamp and stamp is not None and lock.stamp != stamp():
                continue
            found.append((scope, lock))
        return found

    def _end_probed(self, upstream: str, credential: str, model: str) -> bool:
        """Remove the locks that a probe has shown to be wrong; return whether there were any."""
        ended = False
        for scope in _scopes(upstream, credential, model):
            lock = self._locks.get(scope)
            if lock is not None and lock.may_be_wrong:
                self._end(scope)
                self._streaks.pop((scope, lock.kind), None)
                ended = True
        return ended

    def _end(self, scope: LockScope) -> Lock:
        """Remove a lock, and return it."""
        lock = self._locks.pop(scope)
        self.on_change(scope)
        return lock

    def _count(self, scope: LockScope, kind: str, since: float | None) -> int:
        """Count a failure, and return the number of failures in a row."""
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
        if known is None or stale or _strength(lock) > _strength(known):
            self._locks[scope] = lock
        elif lock.rests_until > known.rests_until:
            self._locks[scope] = replace(known, rests_until=lock.rests_until)
        if max(len(self._locks), len(self._streaks)) > self._max_entries:
            self._prune()

    def _prune(self) -> None:
        """Remove what has ended; if there is still too much, remove what ends first."""
        now = self._now()
        self._locks = {s: lock for s, lock in self._locks.items() if lock.until > now}
        self._ended_by_quota = {
            scope: when for scope, when in self._ended_by_quota.items() if now - when < FORGET_AFTER
        }
        self._streaks = {
            key: streak for key, streak in self._streaks.items() if now - streak.last < FORGET_AFTER
        }
        if len(self._locks) > self._max_entries:
            longest = sorted(self._locks.items(), key=lambda item: -item[1].until)
            self._locks = dict(longest[: self._max_entries])
        if len(self._streaks) > self._max_entries:
            latest = sorted(self._streaks.items(), key=lambda item: -item[1].last)
            self._streaks = dict(latest[: self._max_entries])


def _strength(lock: Lock) -> tuple[bool, float]:
    """Return what orders locks: an estimated one must not hide one that is certain.

    An account with an estimated lock is used if there is no other.
    """
    return not lock.estimated, lock.until


def _scope(rule: LockRule, upstream: str, credential: str, model: str) -> LockScope:
    if rule.scope == "account":
        return LockScope(upstream, credential, None)
    return LockScope(upstream, None if rule.scope == "everyone" else credential, model)


def _scopes(upstream: str, credential: str, model: str) -> tuple[LockScope, LockScope, LockScope]:
    return (
        LockScope(upstream, credential, model),
        LockScope(upstream, credential, None),
        LockScope(upstream, None, model),
    )
