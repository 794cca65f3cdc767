"""Adds up what workers report, with what the main process does itself.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from antigravity.interfaces.status import AccountStatus, LockStatus, PoolStatus, QueueState


def merge_pools(own: PoolStatus, others: Iterable[PoolStatus]) -> PoolStatus:
    """Return the accounts of the main process with the requests of all processes.

    Counts are added.  A lock that several know is shown once, with the longest time.
    """
    pools = [own, *others]
    if len(pools) == 1:
        return own
    by_id: dict[str, list[AccountStatus]] = {}
    for pool in pools:
        for account in pool.accounts:
            by_id.setdefault(account.id, []).append(account)
    return replace(
        own,
        running=sum(pool.running for pool in pools),
        queue=QueueState(
            sum(pool.queue.waiting for pool in pools), sum(pool.queue.limit for pool in pools)
        ),
        accounts=[_merge_accounts(by_id[each.id]) for each in own.accounts],
        locks=_merge_locks([lock for pool in pools for lock in pool.locks]),
        bindings=sum(pool.bindings for pool in pools),
    )


def _merge_accounts(accounts: Sequence[AccountStatus]) -> AccountStatus:
    used = [each.last_used for each in accounts if each.last_used is not None]
    failed = max(accounts, key=lambda each: each.last_error_at or 0.0)
    return replace(
        accounts[0],
        running=sum(each.running for each in accounts),
        bindings=sum(each.bindings for each in accounts),
        last_used=max(used, default=None),
        last_error=failed.last_error,
        last_error_at=failed.last_error_at,
    )


def _merge_locks(locks: Iterable[LockStatus]) -> list[LockStatus]:
    longest: dict[tuple[str, str | None, str | None], LockStatus] = {}
    for lock in locks:
        key = lock.upstream, lock.account, lock.model
        known = longest.get(key)
        if known is None or _length(lock) > _length(known):
            longest[key] = lock
    return list(longest.values())


def _length(lock: LockStatus) -> float:
    return float("inf") if lock.free_in is None else lock.free_in


def count_locks(pools: Iterable[PoolStatus], account: str, model: str) -> int:
    """Return how many locks of an account there are, for one model or, if empty, for all."""
    found = {
        (lock.upstream, lock.account, lock.model)
        for pool in pools
        for lock in pool.locks
        if lock.account == account and (not model or lock.model in (model, None))
    }
    return len(found)


def add_counts(all_counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums of counts by their names."""
    total: Counter[str] = Counter()
    for counts in all_counts:
        for name, count in counts.items():
            total[name] += count
    return dict(total)
