"""Locks of accounts, and their form in the state file.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from antigravity.accounts.lock_rules import ESTIMATED_KINDS, LIMIT_KINDS

_Row = TypeVar("_Row")
#: The scope and kind of failures in a row, their number, and the time of the last one.
StreakFields = tuple["LockScope", str, int, float]


class LockScope(Struct, frozen=True):
    """What is locked: an account for one model, an account (no model), or a model for everyone."""

    upstream: str
    credential: str | None
    model: str | None


class Lock(Struct, frozen=True):
    """A lock until a time in seconds, infinite if only the operator can end it.

    ``given`` says that the upstream named the time.  ``stamp`` is the hash of the refused secret;
    the lock does not apply to another secret.  ``help`` is an address where the owner can end the
    lock.  ``made`` is when the lock began, ``probed`` when it was last probed (0 for never).
    ``rests_until`` is when an estimated lock may be ignored at the earliest; it is not stored.
    """

    until: float
    kind: str
    from_upstream: bool = False
    stamp: str = ""
    help: str = ""
    made: float = 0.0
    probed: float = 0.0
    rests_until: float = 0.0

    @property
    def may_be_wrong(self) -> bool:
        """Whether the cause may have ended before the named time."""
        temporary = self.kind in LIMIT_KINDS or self.from_upstream
        return temporary and math.isfinite(self.until)

    @property
    def estimated(self) -> bool:
        """Whether neither the end nor the cause of the lock is certain."""
        return not self.from_upstream and self.kind in ESTIMATED_KINDS


class StoredLocks(Struct, frozen=True):
    """The content of a snapshot; ``invalid`` is the number of invalid rows."""

    locks: list[tuple[LockScope, Lock]]
    streaks: list[StreakFields]
    invalid: int


class _LockRow(Struct, frozen=True):
    """A lock in the state file; ``until`` is ``None`` for infinity, which JSON does not have."""

    upstream: str
    credential: str | None
    model: str | None
    until: float | None
    kind: str
    from_upstream: bool = False
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
    """Return locks and streaks as plain data.

    :param streaks: for each one ``((scope, kind), count, last)``.
    :param ahead: the seconds by which the system clock is ahead of the clock of the locks.
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
            lock.from_upstream,
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


def from_rows(data: Mapping[str, Any], ahead: float) -> StoredLocks:
    """Return locks and streaks from plain data; ``ahead`` is as for :func:`to_rows`."""
    locks, invalid_locks = _rows(data.get("locks"), _LockRow)
    streaks, invalid_streaks = _rows(data.get("streaks"), _StreakRow)

    def moved(moment: float) -> float:
        return moment - ahead if moment > 0 else 0.0

    stored = [
        (
            LockScope(row.upstream, row.credential, row.model),
            Lock(
                math.inf if row.until is None else moved(row.until),
                row.kind,
                row.from_upstream,
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
    return StoredLocks(stored, rows, invalid_locks + invalid_streaks)


def _rows(data: object, kind: type[_Row]) -> tuple[list[_Row], int]:
    """Return the valid rows, and the number of invalid ones."""
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
