"""Locks, and their form in the state file: pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from antigravity.accounts.lock_rules import ESTIMATED_KINDS, LIMIT_KINDS

_Row = TypeVar("_Row")
#: A scope, the kind of failure, how many there were in a row, and when the last one was.
StreakFields = tuple["LockScope", str, int, float]


class LockScope(Struct, frozen=True):
    """What is locked: an account for a model, or for all (no model), or a model for everyone."""

    upstream: str
    credential: str | None
    model: str | None


class Lock(Struct, frozen=True):
    """A lock until a time in seconds, infinite until people do something.

    ``given`` says that the upstream named the time.  ``stamp`` stands for the secret that was
    refused: the lock is not for another one.  ``help`` is where its owner can end it.  ``made``
    is when it began, and ``probed`` when a request was let through last (0 for never).
    """

    until: float
    kind: str
    given: bool = False
    stamp: str = ""
    help: str = ""
    made: float = 0.0
    probed: float = 0.0

    @property
    def may_be_wrong(self) -> bool:
        """Whether the lock is about something that passes, maybe before the time that was named."""
        passes = self.kind in LIMIT_KINDS or self.given
        return passes and math.isfinite(self.until)

    @property
    def estimated(self) -> bool:
        """Whether the lock is an estimate: neither its end nor its cause is certain."""
        return not self.given and self.kind in ESTIMATED_KINDS


class KeptLocks(Struct, frozen=True):
    """What a snapshot holds; ``senseless`` counts the rows that made no sense."""

    locks: list[tuple[LockScope, Lock]]
    streaks: list[StreakFields]
    senseless: int


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
    made: float = 0.0
    probed: float = 0.0


class _StreakRow(Struct, frozen=True):
    upstream: str
    credential: str | None
    model: str | None
    kind: str
    count: int
    last: float


def to_rows(
    locks: Iterable[tuple[LockScope, Lock]], streaks: Iterable[tuple[Any, ...]], ahead: float
) -> dict[str, Any]:
    """Return everything as plain data.

    :param streaks: for each of them ``((scope, kind), count, last)``, flat.
    :param ahead: how far the calendar's clock is ahead of that of the locks, in seconds.
    """

    def moved(moment: float) -> float:
        return moment + ahead if moment > 0 else 0.0

    lock_rows = [
        _LockRow(
            scope.upstream,
            scope.credential,
            scope.model,
            None if math.isinf(lock.until) else moved(lock.until),
            lock.kind,
            lock.given,
            lock.stamp,
            lock.help,
            moved(lock.made),
            moved(lock.probed),
        )
        for scope, lock in locks
    ]
    streak_rows = [
        _StreakRow(scope.upstream, scope.credential, scope.model, kind, count, moved(last))
        for scope, kind, count, last in streaks
    ]
    return {
        "locks": msgspec.to_builtins(lock_rows),
        "streaks": msgspec.to_builtins(streak_rows),
    }


def from_rows(data: Mapping[str, Any], ahead: float) -> KeptLocks:
    """Return what plain data holds; ``ahead`` is as for :func:`to_rows`."""
    locks, bad_locks = _rows(data.get("locks"), _LockRow)
    streaks, bad_streaks = _rows(data.get("streaks"), _StreakRow)

    def moved(moment: float) -> float:
        return moment - ahead if moment > 0 else 0.0

    kept = [
        (
            LockScope(row.upstream, row.credential, row.model),
            Lock(
                math.inf if row.until is None else moved(row.until),
                row.kind,
                row.given,
                row.stamp,
                row.help,
                moved(row.made),
                moved(row.probed),
            ),
        )
        for row in locks
    ]
    rows = [
        (LockScope(row.upstream, row.credential, row.model), row.kind, row.count, moved(row.last))
        for row in streaks
    ]
    return KeptLocks(kept, rows, bad_locks + bad_streaks)


def _rows(data: object, kind: type[_Row]) -> tuple[list[_Row], int]:
    """Return the rows that make sense, and how many do not."""
    rows: list[_Row] = []
    items = data if isinstance(data, list) else []
    for item in items:
        try:
            row = msgspec.convert(item, kind)
        except msgspec.ValidationError:
            continue
        if all(math.isfinite(value) for value in _floats(row)):
            rows.append(row)
    return rows, len(items) - len(rows)


def _floats(row: Any) -> list[float]:
    return [value for value in msgspec.structs.astuple(row) if isinstance(value, float)]
