"""What was only estimated of an account: tried when nobody is free, forgotten when it was wrong."""

from __future__ import annotations

from antigravity.ir.errors import (
    QuotaExhaustedError,
    RateLimitedError,
    UpstreamCredentialError,
    UpstreamError,
)
from tests.accounts.pool_fixture import PoolFixture


def failing(kit: PoolFixture, account: str, error: Exception) -> None:
    """Have an account fail."""
    others = {each.id for each in kit.source.credentials("google")} - {account}
    kit.take(exclude=others).failed(error)


def test_failed_account_is_retried_before_a_refused_one() -> None:
    kit = PoolFixture(("dead", "shaky"))
    failing(kit, "dead", UpstreamCredentialError("401", upstream_status=401))
    failing(kit, "shaky", UpstreamError("500", upstream_status=500))
    for _ in range(5):
        lease = kit.take()
        assert lease.credential.id == "shaky"
        lease.release()


def test_request_waits_for_good_account_rather_than_retrying_refused_one() -> None:
    kit = PoolFixture(("dead", "limited"))
    failing(kit, "dead", UpstreamCredentialError("401", upstream_status=401))
    failing(kit, "limited", RateLimitedError("429", retry_after=3.0))
    waiting = kit.ask()
    assert not waiting.called
    kit.clock.advance(3.1)
    assert waiting.result.credential.id == "limited"


def test_refused_account_is_the_last_resort() -> None:
    kit = PoolFixture(("dead", "empty"))
    failing(kit, "dead", UpstreamCredentialError("401", upstream_status=401))
    failing(kit, "empty", QuotaExhaustedError("429", retry_after=7200.0))
    assert kit.take().credential.id == "dead"


def test_success_ends_estimated_lock() -> None:
    kit = PoolFixture(("a",))
    failing(kit, "a", UpstreamCredentialError("401", upstream_status=401))
    kit.clock.advance(1.0)
    kit.take().succeeded()
    assert kit.pool.status()["locks"] == []


def test_success_of_earlier_attempt_ends_no_lock() -> None:
    kit = PoolFixture(("a", "b"))
    older = kit.take(exclude={"b"})
    kit.clock.advance(1.0)
    failing(kit, "a", UpstreamCredentialError("401", upstream_status=401))
    older.succeeded()
    assert kit.take().credential.id == "b"


def test_success_does_not_end_named_lock() -> None:
    kit = PoolFixture(("a",))
    first, second = kit.take(), kit.take()
    first.failed(QuotaExhaustedError("429", retry_after=7200.0))
    second.succeeded()
    assert kit.refused().retry_after == 7200.0
