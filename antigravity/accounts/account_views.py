"""Accounts as their operator sees them: state and why, locks, quotas.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.masked_label import masked_label
from antigravity.accounts.model_groups import ModelGroups
from antigravity.accounts.records import AccountRecord
from antigravity.config.display import without_secrets
from antigravity.interfaces.account_control import (
    AccountList,
    AccountLock,
    AccountQuota,
    AccountState,
    AccountView,
)
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.status import PoolStatus


def account_list(
    store: CredentialStore,
    pool: PoolStatus,
    quota_of: Callable[[str], Quota | None],
    groups: ModelGroups,
    seconds: float,
    now: float,
) -> AccountList:
    """Return all accounts, those in use first.

    :param pool: the status of the pool.
    :param seconds: the time by the clock of the pool.
    :param now: seconds since the epoch.
    """
    records = {record.id: record for record in store.records}
    locks = _locks(pool)
    reserves = {(each.account, each.models) for each in pool.protected}
    found = []
    for each in pool.accounts:
        identifier, upstream = each.id, each.upstream
        record = records.pop(identifier, None)
        held = [*locks.get((upstream, identifier), ()), *locks.get((upstream, ""), ())]
        used, quota = each.last_used, quota_of(identifier)
        shared: dict[str, Any] = {} if record is None else _of_record(record)
        found.append(
            AccountView(
                id=identifier,
                upstream=upstream,
                label=each.label,
                state=_state(held, each.running),
                is_file=record is not None,
                is_fixed=pool.fixed == identifier,
                running=each.running,
                sessions=each.bindings,
                ago=None if used is None else max(0.0, seconds - used),
                last_error=each.last_error,
                last_error_ago=None
                if each.last_error_at is None
                else max(0.0, seconds - each.last_error_at),
                locks=held,
                **{"kind": store.upstreams[upstream].kind, **shared},
                **({} if quota is None else _of_quota(quota, identifier, reserves, groups, now)),
            )
        )
    found += [_unused(record, store) for record in records.values()]
    return AccountList(found, pool.fixed, pool.mode)


def _locks(pool: PoolStatus) -> dict[tuple[str, str], list[AccountLock]]:
    """Return the locks by upstream and account; the account is empty for one of all accounts."""
    found: dict[tuple[str, str], list[AccountLock]] = {}
    for each in pool.locks:
        lock = AccountLock(each.model or "", each.reason, each.free_in, each.help or "")
        found.setdefault((each.upstream, each.account or ""), []).append(lock)
    return found


def _state(locks: list[AccountLock], running: int) -> AccountState:
    if locks:
        return "locked" if any(not lock.model for lock in locks) else "limited"
    return "busy" if running else "ready"


def _of_record(record: AccountRecord) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "created": record.created or None,
        "disabled_at": record.disabled_at or None,
        "base_url": without_secrets(record.base_url),
    }


def _of_quota(
    quota: Quota,
    account: str,
    reserves: set[tuple[str, str]],
    groups: ModelGroups,
    now: float,
) -> dict[str, Any]:
    """Return the quotas of an account by group of models.

    That of a group is the one of the member with the most left; see :mod:`.protection`.
    """
    members: dict[str, list[tuple[float, float | None, str]]] = {}
    for model, each in sorted(quota.models.items()):
        if (remaining := each.remaining(now)) is not None:
            group = groups.group_of(model) or model
            members.setdefault(group, []).append((remaining, each.reset, model))
    bars = []
    for group, found in members.items():
        remaining, reset, _ = max(found, key=lambda each: each[0])
        bars.append(
            AccountQuota(
                group,
                [model for _, _, model in found],
                remaining,
                None if reset is None else round(reset - now, 3),
                (account, group) in reserves,
            )
        )
    return {
        "tier": quota.tier,
        "plan": quota.plan,
        "quota_age": max(0.0, round(now - quota.fetched, 3)),
        "quotas": sorted(bars, key=lambda bar: (bar.remaining, bar.group)),
    }


def _unused(record: AccountRecord, store: CredentialStore) -> AccountView:
    """Return an account that no upstream uses."""
    why = record.disabled_reason if not record.enabled else store.unused.get(record.id, "")
    return AccountView(
        id=record.id,
        upstream=record.upstream or record.kind,
        label=masked_label(record.label),
        state="unused" if record.enabled else "disabled",
        why=why or ("" if record.enabled else "by its owner"),
        **_of_record(record),
    )
