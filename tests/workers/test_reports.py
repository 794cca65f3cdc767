"""What workers report is added up."""

from __future__ import annotations

from typing import Any

from antigravity.interfaces.status import AccountStatus, LockStatus, PoolStatus, QueueState
from antigravity.workers.reports import add_counts, count_locks, merge_pools


def account(identifier: str, running: int, **more: Any) -> AccountStatus:
    found = {"last_used": None, "bindings": 0, **more}
    return AccountStatus(identifier, "u", "label", running, **found)


def lock(account: str | None, model: str | None, free_in: float | None) -> LockStatus:
    return LockStatus("u", account, model, "rate", free_in, False, None)


def pool(accounts: list[AccountStatus], *locks: LockStatus, **more: Any) -> PoolStatus:
    found = {"running": 0, "queue": QueueState(0, 10), "bindings": 0, **more}
    return PoolStatus(
        mode="Balance", fixed=None, accounts=accounts, locks=list(locks), protected=[], **found
    )


def test_counts_are_added_and_times_are_the_latest() -> None:
    own = pool([account("a", 1, last_used=5.0), account("b", 0)], running=1)
    other = pool(
        [account("a", 2, last_used=9.0, last_error="bad", last_error_at=8.0, bindings=3)],
        running=2,
        queue=QueueState(4, 10),
        bindings=3,
    )
    merged = merge_pools(own, [other])
    assert (merged.running, merged.queue, merged.bindings) == (3, QueueState(4, 20), 3)
    first, second = merged.accounts
    assert (first.running, first.last_used, first.last_error, first.bindings) == (3, 9.0, "bad", 3)
    assert second == account("b", 0)


def test_accounts_are_those_of_the_main_process() -> None:
    """A worker that drains may still have one that was removed."""
    merged = merge_pools(pool([account("a", 0)]), [pool([account("gone", 1)], running=1)])
    assert ([each.id for each in merged.accounts], merged.running) == (["a"], 1)


def test_lock_that_several_know_is_shown_once_with_the_longest_time() -> None:
    merged = merge_pools(
        pool([], lock("a", "m", 5.0)),
        [pool([], lock("a", "m", 9.0), lock("b", None, 1.0)), pool([], lock("b", None, None))],
    )
    assert merged.locks == [lock("a", "m", 9.0), lock("b", None, None)]


def test_locks_of_an_account_are_counted_once() -> None:
    pools = [pool([], lock("a", "m", 1.0), lock("a", None, 1.0)), pool([], lock("a", "m", 2.0))]
    assert count_locks(pools, "a", "") == 2
    assert count_locks(pools, "a", "m") == 2
    assert count_locks(pools, "a", "other") == 1
    assert count_locks(pools, "b", "") == 0


def test_one_process_has_nothing_to_add() -> None:
    own = pool([account("a", 1)])
    assert merge_pools(own, []) is own
    assert add_counts([{"hit": 1}, {"hit": 2, "miss": 1}]) == {"hit": 3, "miss": 1}
