"""Locks end when the operator, a quota or a request shows that they are not needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from twisted.internet.task import Clock

from antigravity.accounts.candidate_finder import FORCED_INTERVAL
from antigravity.accounts.lock_table import MAX_LOCK, LockTable
from antigravity.config.atomic import write_atomically
from antigravity.interfaces.accounts import LeaseRequest
from antigravity.interfaces.quota import ModelQuota, Quota
from antigravity.ir.errors import (
    GatewayError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.stores.json_state import JsonState
from tests.accounts.pool_fixture import (
    BEGINNING,
    FLASH,
    PRO,
    PoolFixture,
    Source,
    error,
    got,
    waits,
)

DAY = 86400.0
INTERVAL = 1800.0
MODEL = PRO.model


def quota(delay: float | None = None) -> QuotaExhaustedError:
    return QuotaExhaustedError("used up", retry_after=delay)


def locked(*accounts: str, **more: Any) -> PoolFixture:
    """Return a pool whose accounts are all locked for five days."""
    kit = PoolFixture(accounts or ("a",), probe_interval=INTERVAL, **more)
    for _ in accounts or ("a",):
        kit.take().failed(quota(5 * DAY))
    return kit


def room(now: float, fraction: float = 0.5, model: str = MODEL) -> Quota:
    return Quota(now, models={model: ModelQuota(fraction, now + DAY)})


# The operator


def test_unlock_ends_locks_of_one_account() -> None:
    kit = locked("a", "b")
    assert kit.pool.unlock("a") == 1
    assert kit.states() == {"a": "chosen", "b": "locked"}
    assert kit.pool.unlock("a") == 0
    assert kit.pool.unlock("nobody") is None


def test_unlock_of_one_model_keeps_other_locks() -> None:
    kit = locked()
    kit.take("", FLASH).failed(quota(DAY))
    assert kit.pool.unlock("a", FLASH.model) == 1
    assert kit.states("", FLASH) == {"a": "chosen"}
    assert kit.states() == {"a": "locked"}


def test_unlock_serves_waiting_request() -> None:
    kit = PoolFixture(["a"], max_wait_seconds=60.0)
    kit.take().failed(quota(50.0))
    waiting = kit.ask()
    assert waits(waiting)
    kit.pool.unlock("a")
    got(waiting)


def test_account_added_again_is_not_locked() -> None:
    kit = locked()
    kit.reload(Source(google=[]))
    kit.reload(Source(google=["a"]))
    assert kit.states() == {"a": "chosen"}


def test_account_with_changed_mark_is_not_locked() -> None:
    kit = locked("a", "b")
    kit.reload()
    assert set(kit.states().values()) == {"locked"}
    kit.source.marks["a"] = "written anew"
    kit.reload()
    assert kit.states() == {"a": "chosen", "b": "locked"}
    kit.take().failed(quota(DAY))
    kit.reload()
    assert set(kit.states().values()) == {"locked"}


def state(path: Path, clock: Clock) -> JsonState:
    return JsonState(path, clock, write=write_atomically)


def test_changed_marks_count_after_restart(tmp_path: Path) -> None:
    clock = Clock()
    clock.advance(BEGINNING)
    kit = PoolFixture(["a", "b", "c"], clock=clock, state=state(tmp_path / "s.json", clock))
    kit.reload()
    for _ in "abc":
        kit.take().failed(quota(5 * DAY))
    kit.pool.stop()
    again = PoolFixture(["a", "b"], clock=clock, state=state(tmp_path / "s.json", clock))
    again.source.marks["a"] = "written anew"
    again.reload()
    assert again.states() == {"a": "chosen", "b": "locked"}
    assert '"c"' not in json.dumps(to_builtins(again.pool.status())["locks"])


# Quotas


def test_remaining_quota_ends_limit_of_its_model() -> None:
    for refused in (quota(5 * DAY), quota(), RateLimitedError("r", retry_after=5 * DAY)):
        kit = PoolFixture(["a"])
        kit.take().failed(refused)
        kit.take("", FLASH).failed(refused)
        kit.clock.advance(1.0)
        now = kit.clock.seconds()
        kit.pool.apply_quota("a", room(now), now)
        kit.pool.serve_waiting()
        assert kit.states() == {"a": "chosen"}
        assert kit.states("", FLASH) == {"a": "locked"}


def test_exhausted_quota_does_not_end_a_lock() -> None:
    kit = locked()
    now = kit.clock.seconds()
    for known in (room(now, 0.0), Quota(now), room(now - 2 * DAY), room(now, 1.0, "another")):
        kit.pool.apply_quota("a", known, now)
        assert kit.states() == {"a": "locked"}


def test_quota_fetched_before_the_lock_ends_no_lock() -> None:
    kit = locked()
    now = kit.clock.seconds()
    kit.pool.apply_quota("a", room(now), now - 1.0)
    assert kit.states() == {"a": "locked"}


def test_quota_ends_only_limit_locks() -> None:
    for refused in (
        UpstreamCredentialError("c", upstream_status=401),
        UpstreamCredentialError("c", code="invalid_grant"),
        UpstreamError("e", upstream_status=500),
        NotFoundError("n", upstream_status=404),
    ):
        table = LockTable(lambda: 1000.0)
        table.record_failure("google", "a", MODEL, refused)
        assert table.remove_by_quota("a", lambda model: 1.0, 1000.0, INTERVAL) == []


def test_wrong_quota_ends_a_lock_once_per_interval() -> None:
    kit = locked()
    for _ in range(3):
        kit.pool.apply_quota("a", room(kit.clock.seconds()), kit.clock.seconds())
        kit.take().failed(quota(5 * DAY))
        kit.clock.advance(60.0)
        kit.pool.apply_quota("a", room(kit.clock.seconds()), kit.clock.seconds())
        assert kit.states() == {"a": "locked"}
        kit.clock.advance(INTERVAL - 90.0)
        kit.pool.apply_quota("a", room(kit.clock.seconds()), kit.clock.seconds())
        assert kit.states() == {"a": "locked"}
        kit.clock.advance(30.0)


# Probes


def test_long_lock_is_probed_once_per_interval() -> None:
    kit = locked()
    asked = 0
    for _ in range(48):  # a day
        kit.clock.advance(INTERVAL)
        for _ in range(5):
            deferred = kit.ask()
            if getattr(deferred.result, "is_probe", False):
                asked += 1
                deferred.result.failed(quota(5 * DAY))
    assert asked == 48


def test_short_lock_is_not_probed() -> None:
    kit = PoolFixture(["a"], probe_interval=INTERVAL)
    kit.take().failed(quota(INTERVAL))
    kit.clock.advance(INTERVAL - 1.0)
    assert kit.refused(max_wait=0.0).retry_after == 1.0


def test_interval_of_zero_disables_probes() -> None:
    kit = PoolFixture(["a"], probe_interval=0.0)
    kit.take().failed(quota(30 * DAY))
    kit.clock.advance(29 * DAY)
    assert kit.refused().retry_after == DAY


def test_successful_probe_ends_the_lock() -> None:
    kit = locked()
    kit.clock.advance(INTERVAL)
    probe = kit.take()
    assert probe.is_probe
    probe.succeeded()
    assert kit.states() == {"a": "chosen"}
    assert not kit.take().is_probe


def test_lock_ends_when_response_to_probe_starts() -> None:
    kit = locked()
    kit.clock.advance(INTERVAL)
    probe = kit.take()
    assert kit.refused().code == "quota_exhausted"
    probe.response_started()
    other = kit.take()
    assert not other.is_probe
    probe.failed(quota(DAY))
    assert kit.refused().retry_after == DAY


@pytest.mark.parametrize(
    ("why", "left"),
    [
        (quota(2 * DAY), 2 * DAY),  # the upstream knows better now
        (quota(6 * DAY), 6 * DAY),
        (quota(), 5 * DAY - INTERVAL),
        (RateLimitedError("r"), 5 * DAY - INTERVAL),
        (UpstreamError("e", upstream_status=500), 5 * DAY - INTERVAL),
        (None, 5 * DAY - INTERVAL),
    ],
)
def test_failed_probe_keeps_the_lock(why: GatewayError | None, left: float) -> None:
    kit = locked()
    kit.clock.advance(INTERVAL)
    probe = kit.take()
    if why is None:
        probe.release()
    else:
        probe.failed(why)
    assert kit.refused().retry_after == pytest.approx(left)


def test_probes_of_one_account_and_model_are_not_parallel() -> None:
    kit = locked("a", "b")
    kit.clock.advance(2 * INTERVAL)
    first, second = kit.take(), kit.take()
    assert {first.credential.id, second.credential.id} == {"a", "b"}
    kit.clock.advance(10 * INTERVAL)
    kit.refused()  # the first ones still run
    kit.pool.unlock("a")
    assert not kit.take().is_probe


def test_request_can_forbid_probes() -> None:
    kit = locked("a", "b")
    kit.pool.unlock("b")
    kit.clock.advance(INTERVAL)
    request = LeaseRequest((PRO,), probe="never")
    assert got(kit.pool.lease(request, 0.0)).credential.id == "b"
    assert kit.take().credential.id == "a"


def test_session_does_not_leave_its_account_for_a_probe() -> None:
    kit = locked("a", "b")
    kit.pool.unlock("b")
    kit.take("talk").succeeded()
    kit.clock.advance(INTERVAL)
    assert kit.take("talk").credential.id == "b"
    probe = kit.take("another talk")
    assert (probe.is_probe, probe.credential.id) == (True, "a")
    probe.failed(quota(DAY))
    assert kit.take("another talk").credential.id == "b"


def test_later_rank_is_not_probed_while_earlier_one_serves() -> None:
    kit = PoolFixture(["a"], probe_interval=INTERVAL)
    kit.take("", FLASH).failed(quota(DAY))
    kit.clock.advance(INTERVAL)
    assert kit.take("", PRO, FLASH).upstream_model == PRO
    probe = kit.take("", FLASH, PRO)
    assert (probe.upstream_model, probe.is_probe) == (FLASH, True)


def test_lock_that_only_the_operator_can_end_is_not_probed() -> None:
    kit = PoolFixture(["a"], probe_interval=INTERVAL)
    kit.take().failed(UpstreamCredentialError("c", code="invalid_grant"))
    kit.clock.advance(2 * INTERVAL)
    kit.refused()


FAR = [
    quota(5 * DAY),
    RateLimitedError("r", retry_after=5 * DAY),
    OverloadedError("full", code="model_capacity_exhausted", retry_after=5 * DAY),
    OverloadedError("full", upstream_status=503, retry_after=5 * DAY),
    UpstreamError("broken", upstream_status=500, retry_after=5 * DAY),
    NotFoundError("none", upstream_status=404, retry_after=5 * DAY),
    UpstreamCredentialError("no", upstream_status=401, retry_after=5 * DAY),
    QuotaExhaustedError("pay", code="insufficient_quota", retry_after=5 * DAY),
]


@pytest.mark.parametrize("why", FAR, ids=lambda why: f"{type(why).__name__} {why.upstream_status}")
def test_long_locks_can_be_ended(why: GatewayError) -> None:
    kit = PoolFixture(["a"], probe_interval=INTERVAL)
    kit.reload(probe_interval=INTERVAL)
    kit.take().failed(why)
    kit.refused()
    kit.clock.advance(INTERVAL)
    probe = kit.take()
    assert probe.is_probe
    probe.succeeded()
    assert kit.states() == {"a": "chosen"}
    kit.take().failed(why)
    kit.refused()
    assert kit.pool.unlock("a", MODEL if kit.states("", FLASH) == {"a": "chosen"} else "")
    kit.take().failed(why)
    kit.source.marks["a"] = "written anew"
    kit.reload(probe_interval=INTERVAL)
    kit.take().failed(why)
    kit.reload(Source(google=[]), probe_interval=INTERVAL)
    kit.reload(Source(google=["a", "b"]), probe_interval=INTERVAL)
    assert set(kit.states().values()) == {"chosen", "available"}


def test_forced_probe_passes_a_lock_after_a_minute() -> None:
    kit = locked()
    request = LeaseRequest((PRO,), only="a", probe="forced")
    assert isinstance(error(kit.pool.lease(request, 0.0)), QuotaExhaustedError)
    kit.clock.advance(FORCED_INTERVAL)
    probe = got(kit.pool.lease(request, 0.0))
    probe.succeeded()
    assert kit.states() == {"a": "chosen"}


def test_explain_starts_no_probe() -> None:
    kit = locked()
    kit.clock.advance(INTERVAL)
    for _ in range(3):
        (verdict,) = kit.pool.explain(LeaseRequest((PRO,)))
        assert "the next request probes" in verdict.reason
    assert kit.take().is_probe


# Ceilings and clocks


@pytest.mark.parametrize("delay", [1e300, float("inf"), 366 * DAY, 32 * DAY])
def test_locks_are_limited_to_the_maximum(delay: float) -> None:
    kit = PoolFixture(["a"])
    kit.take().failed(quota(delay))
    assert kit.refused().retry_after == MAX_LOCK
    kit = PoolFixture(["a"], max_lock_seconds=3600.0)
    kit.take().failed(quota(delay))
    assert kit.refused().retry_after == 3600.0


@pytest.mark.parametrize("until", [1e300, 1e18, 253402300799.0, -1e300, -5, 0, BEGINNING + 3e9])
@pytest.mark.parametrize("made", [0.0, 1e300, BEGINNING - 10, BEGINNING + 9e9, -3.0])
def test_restored_locks_are_limited_to_the_maximum(until: float, made: float) -> None:
    row = {"upstream": "google", "credential": "a", "model": MODEL, "kind": "quota"}
    table = LockTable(lambda: BEGINNING)
    table.restore({"locks": [{**row, "until": until, "made": made, "probed": until}]})
    lock = table.strongest_lock("google", "a", MODEL)
    assert lock is None or lock.until <= BEGINNING + MAX_LOCK
    text = json.dumps(table.snapshot(), allow_nan=False)
    for kept in json.loads(text)["locks"]:
        assert kept["until"] <= BEGINNING + MAX_LOCK


def test_invalid_times_are_ignored(tmp_path: Path) -> None:
    text = (
        '{"version": 1, "locks": {"locks": [{"upstream": "google", "credential": "a", '
        '"model": "m", "kind": "quota", "until": 1e999}], "streaks": [{"upstream": "u", '
        '"credential": "a", "model": "m", "kind": "quota", "count": 1, "last": 1e999}]}}'
    )
    (tmp_path / "s.json").write_text(text)
    clock = Clock()
    clock.advance(BEGINNING)
    kit = PoolFixture(["a"], clock=clock, state=state(tmp_path / "s.json", clock))
    assert kit.states() == {"a": "chosen"}


class ClockChangeTests:
    """A clock that can be set, as that of the calendar."""

    def __init__(self) -> None:
        self.now = BEGINNING

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 20 * 365 * DAY, -20 * 365 * DAY])
def test_changed_system_clock_moves_no_lock(jump: float, tmp_path: Path) -> None:
    clock, wall = Clock(), ClockChangeTests()
    clock.advance(BEGINNING)
    kit = PoolFixture(["a"], clock=clock, state=state(tmp_path / "s.json", clock), wall=wall)
    kit.take().failed(quota(7200.0))
    wall.now += jump + 60.0
    clock.advance(60.0)
    assert kit.refused().retry_after == 7140.0
    kit.pool.stop()
    restarted = Clock()  # which takes its time from the calendar
    restarted.advance(wall.now)
    again = PoolFixture(["a"], clock=restarted, state=state(tmp_path / "s.json", restarted))
    assert again.refused().retry_after == pytest.approx(7140.0)


@pytest.mark.parametrize("jump", [-3600.0, -20 * 365 * DAY])
def test_clock_running_backwards_extends_no_lock(jump: float) -> None:
    wall = ClockChangeTests()
    table = LockTable(wall)
    table.record_failure("google", "a", MODEL, quota(300.0))
    wall.now += jump
    lock = table.strongest_lock("google", "a", MODEL)
    assert lock is not None
    assert lock.until - wall.now <= 300.0
    wall.now += 300.0
    assert table.strongest_lock("google", "a", MODEL) is None


@pytest.mark.parametrize("jump", [-3600.0, -20 * 365 * DAY])
def test_restart_with_clock_set_back_extends_no_lock(jump: float) -> None:
    before = LockTable(lambda: BEGINNING)
    before.record_failure("google", "a", MODEL, quota(300.0))
    wall = ClockChangeTests()
    wall.now += jump
    after = LockTable(wall)
    after.restore(before.snapshot())
    lock = after.strongest_lock("google", "a", MODEL)
    assert lock is not None
    assert lock.until - wall.now <= 300.0


@pytest.mark.parametrize("jump", [30 * DAY, -30 * DAY])
def test_changed_system_clock_keeps_bindings(jump: float, tmp_path: Path) -> None:
    clock, wall = Clock(), ClockChangeTests()
    clock.advance(BEGINNING)
    kit = PoolFixture(["a", "b"], clock=clock, state=state(tmp_path / "s.json", clock), wall=wall)
    owner = kit.take("talk").credential.id
    wall.now += jump + 60.0
    clock.advance(60.0)
    kit.pool.stop()
    restarted = Clock()
    restarted.advance(wall.now)
    again = PoolFixture(["a", "b"], clock=restarted, state=state(tmp_path / "s.json", restarted))
    (bound,) = [a for a in to_builtins(again.pool.status())["accounts"] if a["bindings"]]  # type: ignore
    assert bound["id"] == owner


# Fairness


def test_conversation_with_many_requests_does_not_block_another() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    running = kit.take()

    def ask(name: str) -> Any:
        request = LeaseRequest((PRO,), principal="key", conversation=name)
        deferred = kit.pool.lease(request, 60.0)
        deferred.addErrback(lambda failure: failure)
        return deferred

    many = [ask("many") for _ in range(200)]
    one = ask("one")
    running.succeeded()
    got(many[0]).succeeded()
    assert one.called
    got(one).succeeded()
    assert not many[2].called or many[1].called


def test_lease_now_is_none_if_no_account_is_free() -> None:
    kit = PoolFixture(["a"], max_concurrency=1)
    request = LeaseRequest((PRO,))
    running = kit.pool.lease_now(request, 60.0)
    assert running is not None
    assert running.credential.id == "a"
    assert kit.pool.lease_now(request, 60.0) is None
    running.succeeded()
    assert kit.pool.lease_now(request, 60.0) is not None


def test_lease_now_is_none_once_the_pool_has_stopped() -> None:
    kit = PoolFixture(["a"])
    kit.pool.stop()
    assert kit.pool.lease_now(LeaseRequest((PRO,)), 60.0) is None


def test_longest_conversation_makes_room_in_full_queue() -> None:
    kit = PoolFixture(["a"], max_concurrency=1, queue_limit=3)
    running = kit.take()
    many = [kit.ask("many", principal="key") for _ in range(3)]
    one = kit.ask("one", principal="key")
    assert [each.called for each in many] == [False, False, True]
    assert waits(one)
    assert kit.refused("many", principal="key").code == "queue_full"
    running.release()
