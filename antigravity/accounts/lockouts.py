"""Which account must not be used for which model, and until when: pure.

A time that the upstream named is kept to the second, however long it is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from antigravity.accounts.penalties import GUESSED_KINDS, Rule, rule_for
from antigravity.ir.errors import GatewayError

_Row = TypeVar("_Row")

#: Failures in a row are forgotten after this many seconds without one.
FORGET_AFTER: Final = 3600.0


class Scope(Struct, frozen=True):
    """What is locked: an account for a model, or for all (no model), or a model for everyone."""

    upstream: str
    credential: str | None
    model: str | None


class Lock(Struct, frozen=True):
    """A lock until a time in seconds, infinite until people do something.

    ``given`` says that the upstream named the time.  ``stamp`` stands for the secret that was
    refused: the lock is not for another one.  ``help`` is where its owner can end it.
    """

    until: float
    kind: str
    given: bool = False
    stamp: str = ""
    help: str = ""

    @property
    def guessed(self) -> bool:
        """Whether nobody knows if the lock is needed: neither its time nor its cause is sure."""
        return not self.given and self.kind in GUESSED_KINDS


class _Streak(Struct):
    """Failures of one kind in a row."""

    count: int
    last: float


class _LockRow(Struct, frozen=True):
    """A lock as plain data; JSON has no infinity, so ``until`` is ``None`` instead."""

    upstream: str
    credential: str | None
    model: str | None
    until: float | None
    kind: str
    given: bool = False
    stamp: str = ""
    help: str = ""


class _StreakRow(Struct, frozen=True):
    upstream: str
    credential: str | None
    model: str | None
    kind: str
    count: int
    last: float


class Lockouts:
    """All locks.

    ``now`` returns seconds since the epoch, which go into snapshots as they are.  ``chance``
    returns a number from 0 to 1.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        chance: Callable[[], float] = random.random,
        max_entries: int = 10_000,
    ) -> None:
        self._now = now
        self._chance = chance
        self._max_entries = max_entries
        self._locks: dict[Scope, Lock] = {}
        self._streaks: dict[tuple[Scope, str], _Streak] = {}

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
    ) -> Rule | None:
        """Lock what ``error`` is about, and return by which rule, if there is one.

        :param since: when the attempt began.  Attempts that ran side by side and failed
            together are one failure in a row, not many.
        :param stamp: stands for the secret that was used.
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
        lock = Lock(self._now() + seconds, rule.kind, given, stamp if whole else "", error.help_url)
        self._put(scope, lock)
        return rule

    def succeeded(
        self, upstream: str, credential: str, model: str, *, since: float | None = None
    ) -> bool:
        """Forget failures in a row from before the attempt began; return if that ended a lock.

        Only locks that were guesses end: the account has just shown them to be wrong.
        """
        ended = False
        for scope in _scopes(upstream, credential, model):
            for key in [key for key in self._streaks if key[0] == scope]:
                if since is None or self._streaks[key].last <= since:
                    del self._streaks[key]
                    lock = self._locks.get(scope)
                    if lock is not None and lock.kind == key[1] and lock.guessed:
                        del self._locks[scope]
                        ended = True
        return ended

    def held(
        self, upstream: str, credential: str, model: str, stamp: Callable[[], str] | None = None
    ) -> Lock | None:
        """Return the lock that lasts longest, if the account is locked for the model.

        :param stamp: returns what stands for the account's secret now.
        """
        now = self._now()
        found: Lock | None = None
        for scope in _scopes(upstream, credential, model):
            lock = self._locks.get(scope)
            if lock is None or lock.until <= now:
                continue
            if lock.stamp and stamp is not None and lock.stamp != stamp():
                continue
            if found is None or lock.until > found.until:
                found = lock
        return found

    def release(self, credential: str) -> bool:
        """Forget everything about one account; return whether it was locked."""
        locks = [scope for scope in self._locks if scope.credential == credential]
        for scope in locks:
            del self._locks[scope]
        for key in [key for key in self._streaks if key[0].credential == credential]:
            del self._streaks[key]
        return bool(locks)

    def current(self) -> Iterator[tuple[Scope, Lock]]:
        """Yield the locks that are in force."""
        now = self._now()
        yield from [(scope, lock) for scope, lock in self._locks.items() if lock.until > now]

    def snapshot(self) -> dict[str, Any]:
        """Return everything that a restart must not lose, as plain data."""
        self._prune()
        locks = [
            _LockRow(
                scope.upstream,
                scope.credential,
                scope.model,
                None if math.isinf(lock.until) else lock.until,
                lock.kind,
                lock.given,
                lock.stamp,
                lock.help,
            )
            for scope, lock in self._locks.items()
        ]
        streaks = [
            _StreakRow(scope.upstream, scope.credential, scope.model, kind, s.count, s.last)
            for (scope, kind), s in self._streaks.items()
        ]
        return {"locks": msgspec.to_builtins(locks), "streaks": msgspec.to_builtins(streaks)}

    def restore(self, data: Mapping[str, Any]) -> int:
        """Take in a snapshot; return how many of its entries made no sense."""
        locks, bad_locks = _rows(data.get("locks"), _LockRow)
        streaks, bad_streaks = _rows(data.get("streaks"), _StreakRow)
        for row in locks:
            until = math.inf if row.until is None else row.until
            scope = Scope(row.upstream, row.credential, row.model)
            self._put(scope, Lock(until, row.kind, row.given, row.stamp, row.help))
        for each in streaks:
            scope = Scope(each.upstream, each.credential, each.model)
            self._streaks[scope, each.kind] = _Streak(max(1, each.count), each.last)
        self._prune()
        return bad_locks + bad_streaks

    def _count(self, scope: Scope, kind: str, since: float | None) -> int:
        """Count a failure, and return how many there were in a row."""
        now = self._now()
        streak = self._streaks.get((scope, kind))
        if streak is None or now - streak.last >= FORGET_AFTER:
            streak = self._streaks[scope, kind] = _Streak(0, now)
        if not streak.count or since is None or since >= streak.last:
            streak.count += 1
            streak.last = now
        return streak.count

    def _put(self, scope: Scope, lock: Lock) -> None:
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
        self._streaks = {
            key: streak for key, streak in self._streaks.items() if now - streak.last < FORGET_AFTER
        }
        if len(self._locks) > self._max_entries:
            longest = sorted(self._locks.items(), key=lambda item: -item[1].until)
            self._locks = dict(longest[: self._max_entries])
        if len(self._streaks) > self._max_entries:
            latest = sorted(self._streaks.items(), key=lambda item: -item[1].last)
            self._streaks = dict(latest[: self._max_entries])


def _scope(rule: Rule, upstream: str, credential: str, model: str) -> Scope:
    if rule.reach == "account":
        return Scope(upstream, credential, None)
    return Scope(upstream, None if rule.reach == "everyone" else credential, model)


def _scopes(upstream: str, credential: str, model: str) -> tuple[Scope, Scope, Scope]:
    return (
        Scope(upstream, credential, model),
        Scope(upstream, credential, None),
        Scope(upstream, None, model),
    )


def _rows(data: object, kind: type[_Row]) -> tuple[list[_Row], int]:
    """Return the rows that make sense, and how many do not."""
    rows: list[_Row] = []
    items = data if isinstance(data, list) else []
    for item in items:
        try:
            rows.append(msgspec.convert(item, kind))
        except msgspec.ValidationError:
            continue
    return rows, len(items) - len(rows)
