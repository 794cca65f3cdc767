"""Accounts as the pages show them: state, and why."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from antigravity.interfaces.status import AccountStatus, GatewayStatus

#: Locks that end only if somebody does something.
URGENT: Final = frozenset({"credential", "billing", "revoked"})

State = Literal["ready", "busy", "limited", "locked"]


class Lock(Struct, frozen=True):
    """A lock; ``free_in`` is in seconds, ``None`` if it does not end by itself.

    ``model`` is empty for a lock of all models.
    """

    model: str
    reason: str
    free_in: float | None
    help: str


class QuotaBar(Struct, frozen=True):
    """What is left (0 to 1) of the quota of a model; ``free_in`` is when it is full again."""

    model: str
    remaining: float
    free_in: float | None


class AccountRow(Struct, frozen=True):
    """One account; ``ago`` is how long ago it was used, in seconds."""

    id: str
    label: str
    upstream: str
    state: State
    running: int
    bindings: int
    ago: float | None
    is_fixed: bool
    locks: list[Lock]
    quotas: list[QuotaBar]


def account_rows(status: GatewayStatus, now: float) -> list[AccountRow]:
    """Return the accounts of a gateway's status.  ``now`` is of the clock of the accounts."""
    pool = status.pool
    locks: dict[tuple[str, str], list[Lock]] = {}
    for each in pool.locks:
        lock = Lock(each.model or "", each.reason, each.free_in, each.help or "")
        locks.setdefault((each.upstream, each.account or ""), []).append(lock)
    quotas: dict[str, list[QuotaBar]] = {}
    for quota in status.quotas:
        bar = QuotaBar(quota.model, quota.remaining, quota.free_in)
        quotas.setdefault(quota.account, []).append(bar)
    return [
        _row(
            account,
            [
                *locks.get((account.upstream, account.id), ()),
                *locks.get((account.upstream, ""), ()),
            ],
            quotas.get(account.id, []),
            pool.fixed,
            now,
        )
        for account in pool.accounts
    ]


def is_urgent(row: AccountRow) -> bool:
    """Return whether somebody has to do something about an account."""
    return row.state == "locked" or any(
        lock.help or lock.reason in URGENT or lock.free_in is None for lock in row.locks
    )


def _row(
    account: AccountStatus,
    locks: list[Lock],
    quotas: list[QuotaBar],
    fixed: str | None,
    now: float,
) -> AccountRow:
    state: State = "busy" if account.running else "ready"
    if locks:
        state = "locked" if any(not lock.model for lock in locks) else "limited"
    used = account.last_used
    return AccountRow(
        account.id,
        account.label,
        account.upstream,
        state,
        account.running,
        account.bindings,
        None if used is None else max(0.0, now - used),
        fixed == account.id,
        locks,
        quotas,
    )
