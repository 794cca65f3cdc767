"""What was only estimated of an account: tried when nobody is free, forgotten when it was wrong."""

from __future__ import annotations

from msgspec import to_builtins

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


def test_only_account_that_failed_and_then_is_limited_is_not_asked_again() -> None:
    kit = PoolFixture(("only",))
    failing(kit, "only", UpstreamError("500", upstream_status=500))
    failing(kit, "only", RateLimitedError("429", retry_after=7.5))
    waiting = kit.ask()
    assert not waiting.called
    kit.clock.advance(7.6)
    assert waiting.result.credential.id == "only"


def refuse(kit: PoolFixture, account: str, times: int = 1) -> None:
    """Have the upstream refuse an account at every request."""
    for _ in range(times):
        failing(kit, account, UpstreamCredentialError("401", upstream_status=401))


def test_account_that_is_refused_again_rests_ever_longer() -> None:
    kit = PoolFixture(("dead",))
    refuse(kit, "dead", times=2)
    for pause in (2.0, 5.0, 10.0, 30.0, 30.0):
        error = kit.refused()
        assert isinstance(error, UpstreamCredentialError)
        assert (error.code, error.status) == ("credential_refused", 503)
        kit.clock.advance(pause - 0.1)
        kit.refused()
        kit.clock.advance(0.2)
        refuse(kit, "dead")


def test_every_account_is_tried_before_the_first_that_was_refused_rests() -> None:
    kit = PoolFixture(("a", "b"))
    refuse(kit, "a", times=2)
    assert kit.take().credential.id == "b"
    refuse(kit, "b")
    assert kit.take().credential.id == "b"
    refuse(kit, "b")
    kit.refused()


def test_new_secret_unlocking_and_success_end_the_rest() -> None:
    kit = PoolFixture(("dead",))
    refuse(kit, "dead", times=2)
    kit.refused()
    kit.pool.unlock("dead")
    kit.take().release()
    refuse(kit, "dead")
    kit.take().release()  # the count began again
    refuse(kit, "dead")
    kit.refused()
    kit.clock.advance(2.1)
    kit.take().succeeded()
    refuse(kit, "dead")
    kit.take().release()


def test_rest_of_a_refused_account_does_not_concern_a_limited_one() -> None:
    kit = PoolFixture(("dead", "limited"))
    refuse(kit, "dead", times=2)
    failing(kit, "limited", RateLimitedError("429", retry_after=3.0))
    waiting = kit.ask()
    assert not waiting.called
    kit.clock.advance(3.1)
    assert waiting.result.credential.id == "limited"


def test_success_ends_estimated_lock() -> None:
    kit = PoolFixture(("a",))
    failing(kit, "a", UpstreamCredentialError("401", upstream_status=401))
    kit.clock.advance(1.0)
    kit.take().succeeded()
    assert to_builtins(kit.pool.status())["locks"] == []


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
