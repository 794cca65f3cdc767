"""Locks last as long as the upstream says, and grow where it says nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.accounts.lock_table import LockTable
from antigravity.ir.errors import (
    CancelledByClientError,
    ContextLengthError,
    DeadlineError,
    EmptyResponseError,
    GatewayError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    UnavailableError,
    UpstreamCredentialError,
    UpstreamError,
)


class Locks:
    """A lock table with a clock of its own; the subject is account ``a`` and model ``m``."""

    def __init__(self, **more: Any) -> None:
        self.now = 1_800_000_000.0
        self.table = LockTable(lambda: self.now, chance=lambda: 0.0, **more)

    def fail(self, error: GatewayError, **more: Any) -> float:
        self.table.record_failure("u", "a", "m", error, **more)
        return self.left()

    def left(self, credential: str = "a", model: str = "m", upstream: str = "u") -> float:
        lock = self.table.strongest_lock(upstream, credential, model)
        return 0.0 if lock is None else lock.until - self.now

    def after_each(self, error: GatewayError, times: int) -> list[float]:
        """Return how long each failure locks, the next one right after the lock before."""
        found = []
        for _ in range(times):
            found.append(self.fail(error))
            self.now += found[-1]
        return found


CAPACITY = OverloadedError("full", code="model_capacity_exhausted")


@pytest.mark.parametrize(
    ("error", "steps"),
    [
        (QuotaExhaustedError("q"), [60, 300, 1800, 7200]),
        (RateLimitedError("r"), [5, 10, 20, 40, 60, 60]),
        (CAPACITY, [5, 10, 15, 15]),
        (UpstreamError("e", upstream_status=500), [8, 8]),
        (OverloadedError("e", upstream_status=529), [8, 8]),
        (DeadlineError("e"), [8]),
        (UpstreamCredentialError("c", upstream_status=401), [600, 600]),
        (UpstreamCredentialError("c", upstream_status=403), [600]),
        (QuotaExhaustedError("billing", upstream_status=402), [600]),
        (NotFoundError("n", upstream_status=404), [5, 5]),
        (UpstreamError("n", upstream_status=404), [5]),
    ],
)
def test_durations_without_a_reset_time(error: GatewayError, steps: list[float]) -> None:
    assert Locks().after_each(error, len(steps)) == pytest.approx(steps)


@pytest.mark.parametrize(
    "error",
    [
        ContextLengthError("c", upstream_status=400),
        CancelledByClientError("c"),
        EmptyResponseError("e"),
        UnavailableError("u", code="oauth_client_missing", upstream_status=401),
    ],
)
def test_errors_of_the_request_lock_nothing(error: GatewayError) -> None:
    assert Locks().fail(error) == 0


def test_scope_of_locks() -> None:
    locks = Locks()
    locks.fail(RateLimitedError("r"))
    assert (locks.left(), locks.left(model="n"), locks.left("b")) == (5, 0, 0)
    locks.fail(UpstreamCredentialError("c", upstream_status=401))
    assert (locks.left(), locks.left(model="n"), locks.left("b")) == (5, 600, 0)
    locks = Locks()
    locks.fail(CAPACITY)
    assert (locks.left(), locks.left(model="n"), locks.left("b")) == (5, 0, 5)
    assert locks.left("b", upstream="other") == 0


@given(st.floats(0.001, 31 * 86400.0), st.integers(0, 6))
def test_named_reset_time_overrides_durations(delay: float, before: int) -> None:
    locks = Locks()
    for _ in range(before):
        locks.fail(QuotaExhaustedError("q"))
        locks.now += 10_000.0
    assert locks.fail(QuotaExhaustedError("q", retry_after=delay)) == pytest.approx(delay, abs=1e-6)


@pytest.mark.parametrize("nothing", [0.0, -5.0, math.nan])
def test_zero_delay_is_ignored(nothing: float) -> None:
    assert Locks().fail(RateLimitedError("r", retry_after=nothing)) == 5


def test_the_strongest_lock_wins() -> None:
    locks = Locks()
    locks.fail(QuotaExhaustedError("q", retry_after=1000.0))
    assert locks.fail(RateLimitedError("r", retry_after=3.0)) == 1000
    assert locks.fail(UpstreamCredentialError("c", upstream_status=401)) == 1000
    assert locks.left(model="n") == 600


def test_estimated_lock_hides_no_certain_one() -> None:
    failure, limit = UpstreamError("e", upstream_status=500), RateLimitedError("r", retry_after=3.0)
    for errors in ([failure, limit], [limit, failure]):
        locks = Locks()
        assert [locks.fail(each) for each in errors][-1] == 3
        lock = locks.table.strongest_lock("u", "a", "m")
        assert lock is not None
        assert (lock.kind, lock.estimated) == ("rate", False)


def test_refused_account_at_a_limit_is_at_a_limit() -> None:
    locks = Locks()
    locks.fail(UpstreamCredentialError("c", upstream_status=401))  # estimated, for all models
    assert locks.fail(RateLimitedError("r", retry_after=3.0)) == 3
    assert locks.left(model="n") == 600
    locks.now += 3.0
    assert locks.left() == 597


def test_success_ends_the_streak_but_no_named_lock() -> None:
    locks = Locks()
    locks.after_each(QuotaExhaustedError("q"), 2)
    locks.table.record_success("u", "a", "m")
    assert locks.fail(QuotaExhaustedError("q")) == 60
    locks.fail(QuotaExhaustedError("q", retry_after=500.0))
    locks.table.record_success("u", "a", "m")
    assert locks.left() == 500


def test_hour_without_failure_ends_the_streak() -> None:
    locks = Locks()
    locks.after_each(QuotaExhaustedError("q"), 2)
    locks.now += 3600.0
    assert locks.fail(QuotaExhaustedError("q")) == 60


def test_parallel_failures_count_once() -> None:
    locks = Locks()
    began = locks.now
    locks.now += 2.0
    assert [locks.fail(QuotaExhaustedError("q"), since=began) for _ in range(26)] == [60] * 26
    locks.table.record_success("u", "a", "m", since=began)  # began before the failure: no news
    locks.now += 60.0
    assert locks.fail(QuotaExhaustedError("q"), since=locks.now - 1.0) == 300


def test_jitter_applies_to_capacity_only() -> None:
    table = LockTable(lambda: 0.0, chance=lambda: 1.0)
    table.record_failure("u", "a", "m", CAPACITY)
    table.record_failure("u", "a", "n", RateLimitedError("r", retry_after=10.0))
    lock = table.strongest_lock("u", "b", "m")
    assert lock is not None
    assert 5.0 < lock.until <= 6.0
    other = table.strongest_lock("u", "a", "n")
    assert other is not None
    assert other.until == 10.0


def test_snapshot_is_restored_completely() -> None:
    locks = Locks()
    locks.fail(QuotaExhaustedError("q"))
    locks.fail(CAPACITY)
    revoked = UpstreamCredentialError("g", code="invalid_grant")
    locks.table.record_failure("u", "b", "m", revoked, stamp="one")
    data = json.loads(json.dumps(locks.table.snapshot()))
    again = Locks()
    again.now += 10.0
    assert again.table.restore(data) == 0
    assert again.left() == 50
    assert again.left("b") == math.inf
    assert again.table.strongest_lock("u", "b", "m", lambda: "one") is not None
    assert again.table.strongest_lock("u", "b", "x", lambda: "two") is None
    again.now += 50.0
    assert again.fail(QuotaExhaustedError("q")) == 300  # the row goes on


def test_refused_new_secret_has_its_own_lock() -> None:
    locks = Locks()
    locks.table.record_failure(
        "u", "a", "m", UpstreamCredentialError("g", code="invalid_grant"), stamp="one"
    )
    locks.table.record_failure("u", "a", "m", UpstreamCredentialError("c"), stamp="two")
    lock = locks.table.strongest_lock("u", "a", "m", lambda: "two")
    assert lock is not None
    assert lock.until - locks.now == 600


@pytest.mark.parametrize(
    "data",
    [
        {"locks": 5, "streaks": "no"},
        {"locks": [{}, 1, {"upstream": "u"}], "streaks": [None]},
        {},
    ],
)
def test_invalid_snapshot_is_ignored(data: dict[str, Any]) -> None:
    locks = Locks()
    bad = locks.table.restore(data)
    assert bad == (4 if isinstance(data.get("locks"), list) else 0)
    assert len(locks.table) == 0


def test_table_is_bounded_and_keeps_strongest_locks() -> None:
    locks = Locks(max_entries=50)
    locks.fail(QuotaExhaustedError("q", retry_after=7200.0))
    for number in range(500):
        locks.table.record_failure("u", "a", f"model-{number}", NotFoundError("n"))
    assert len(locks.table) <= 50
    assert locks.left() == 7200
    locks.now += 10.0
    assert [scope.model for scope, _ in locks.table.active_locks()] == ["m"]
    assert len(locks.table.snapshot()["locks"]) == 1
