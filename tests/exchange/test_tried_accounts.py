"""Which accounts are tried again after a failure."""

from __future__ import annotations

import pytest

from antigravity.exchange.attempts.retry import GIVE_UP, Step
from antigravity.exchange.attempts.tried_accounts import TriedAccounts
from antigravity.ir import errors

OTHER = Step("other")
LATER = Step("other", 2.0)
TWO = frozenset({"a", "b"})


def after(tried: TriedAccounts, error: errors.GatewayError, failed: str) -> object:
    return tried.after(error, LATER, failed, TWO, TWO)


@pytest.mark.parametrize("step", [GIVE_UP, Step("same", 1.0), Step("repair")])
def test_steps_with_same_account_exclude_nothing(step: Step) -> None:
    tried = TriedAccounts()
    assert tried.after(errors.UpstreamError("500"), step, "a", TWO, TWO) == (step, tried)


def test_rate_limited_account_is_left_to_the_pool() -> None:
    tried = TriedAccounts()
    assert after(tried, errors.RateLimitedError("slow down"), "a") == (LATER, tried)


def test_other_account_is_tried_at_once() -> None:
    error = errors.UpstreamError("500")
    assert after(TriedAccounts(), error, "a") == (
        OTHER,
        TriedAccounts(frozenset("a"), frozenset("a"), 2.0),
    )


def test_all_accounts_are_tried_again_after_transient_failures() -> None:
    tried = TriedAccounts(frozenset("a"), frozenset("a"), 1.0)
    assert after(tried, errors.UpstreamError("500"), "b") == (LATER, TriedAccounts(pause=2.0))


def test_transient_failures_are_waited_for_when_last_account_is_refused() -> None:
    tried = TriedAccounts(frozenset("a"), frozenset("a"), 1.0)
    step, tried = tried.after(errors.UpstreamCredentialError("401"), LATER, "b", TWO, TWO)
    assert step == LATER
    assert tried.excluded == TWO
    assert tried.readmitted() == TriedAccounts(frozenset("b"))


@pytest.mark.parametrize(
    "error", [errors.UpstreamCredentialError("401"), errors.NotFoundError("no model here")]
)
def test_request_is_given_up_when_no_account_can_help(error: errors.GatewayError) -> None:
    tried = TriedAccounts(frozenset("a"))
    assert after(tried, error, "b") == (GIVE_UP, TriedAccounts(TWO))


def test_unusable_response_excludes_all_accounts_of_upstream() -> None:
    error = errors.UnusableResponseError("HTML")
    accounts = TWO | {"c"}
    tried = TriedAccounts(TWO)
    assert TriedAccounts().after(error, LATER, "a", TWO, accounts) == (OTHER, tried)
    assert tried.after(error, LATER, "c", {"c"}, accounts) == (GIVE_UP, TriedAccounts(accounts))


def test_upstream_without_use_is_skipped() -> None:
    assert TriedAccounts().without_upstream({"a"}, TWO) == (OTHER, TriedAccounts(frozenset("a")))
    assert TriedAccounts().without_upstream(TWO, TWO) == (GIVE_UP, TriedAccounts(TWO))
