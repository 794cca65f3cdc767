"""The retry table: what follows each error, and when."""

from __future__ import annotations

import pytest

from antigravity.exchange.attempts.retry import (
    CAPACITY,
    MAX_ATTEMPTS,
    MAX_ATTEMPTS_WITH_OTHERS,
    is_about_account,
    is_about_signatures,
    is_model_unavailable,
    most_attempts,
    next_step,
)
from antigravity.ir import errors


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.InvalidRequestError("no"), "give_up"),
        (errors.ContextLengthError("too long", upstream_status=400), "give_up"),
        (errors.RequestTooLargeError("big"), "give_up"),
        (errors.AuthenticationError("who"), "give_up"),
        (errors.UnavailableError("nobody"), "give_up"),
        (errors.DeadlineError("late", code="total_timeout"), "give_up"),
        (errors.CancelledByClientError("gone"), "give_up"),
        (errors.DeadlineError("late", code="first_byte_timeout"), "other"),
        (errors.NotFoundError("no model here"), "other"),
        (errors.UpstreamError("500"), "other"),
        (errors.EmptyResponseError("nothing"), "other"),
        (errors.UpstreamCredentialError("401"), "other"),
        (errors.RateLimitedError("slow down"), "other"),
        (errors.RateLimitedError("slow down", retry_after=7200.0), "other"),
        (errors.QuotaExhaustedError("gone", retry_after=3600.0), "other"),
        (errors.RateLimitedError("slow down", retry_after=1.5), "same"),
        (errors.OverloadedError("full", code=CAPACITY), "same"),
        (errors.OverloadedError("busy"), "other"),
        (
            errors.InvalidRequestError(
                "messages.1.content.0: Invalid `signature` in `thinking` block", upstream_status=400
            ),
            "repair",
        ),
        (
            errors.InvalidRequestError(
                "Function call is missing a thought_signature in functionCall parts.",
                upstream_status=400,
            ),
            "repair",
        ),
        (
            errors.InvalidRequestError(
                "messages.3.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                "`tool_use`. When `thinking` is enabled, a final `assistant` message must start "
                "with a thinking block.",
                upstream_status=400,
            ),
            "repair",
        ),
    ],
)
def test_class_of_error_decides_next_step(error: errors.GatewayError, action: str) -> None:
    assert next_step(error, 1, repaired=False, luck=0.5).action == action


def test_delay_outlasts_short_rate_limit() -> None:
    step = next_step(errors.RateLimitedError("wait", retry_after=1.5), 1, repaired=False, luck=0.0)
    assert 1.5 < step.delay < 2.0


def test_delay_grows_with_attempts_and_luck() -> None:
    def delay(attempts: int, luck: float) -> float:
        return next_step(errors.UpstreamError("500"), attempts, repaired=False, luck=luck).delay

    assert delay(1, 0.0) < delay(1, 1.0)
    assert delay(1, 0.5) < delay(2, 0.5)


def test_no_retry_follows_the_last_attempt() -> None:
    for error in (errors.UpstreamError("500"), errors.RateLimitedError("x", retry_after=0.1)):
        assert next_step(error, MAX_ATTEMPTS, repaired=False, luck=0.5).action == "give_up"


def test_accounts_that_were_not_tried_get_more_attempts() -> None:
    def most(error: errors.GatewayError, *, others: bool = True, seconds: float = 1.0) -> int:
        return most_attempts(error, others=others, seconds=seconds)

    for error in (
        errors.UpstreamError("500"),
        errors.OverloadedError("529"),
        errors.DeadlineError("no first byte", code="first_byte_timeout"),
    ):
        assert most(error) == MAX_ATTEMPTS_WITH_OTHERS
        assert most(error, others=False) == most(error, seconds=30.0) == MAX_ATTEMPTS
    for error in (
        errors.OverloadedError("the model has no capacity", code=CAPACITY),
        errors.InvalidRequestError("no"),
        errors.NotFoundError("no"),
        errors.UpstreamCredentialError("401"),
    ):
        assert most(error) == MAX_ATTEMPTS


def test_history_is_repaired_once() -> None:
    error = errors.InvalidRequestError("Invalid signature in thinking block", upstream_status=400)
    assert is_about_signatures(error)
    assert next_step(error, 2, repaired=True, luck=0.5).action == "give_up"


def test_signature_error_of_gateway_is_not_repaired() -> None:
    assert not is_about_signatures(errors.InvalidRequestError("thinking: signature required"))


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (errors.UpstreamCredentialError("401"), True),
        (errors.QuotaExhaustedError("gone", retry_after=3600.0), True),
        (errors.RateLimitedError("slow down"), True),
        (errors.RateLimitedError("slow down", retry_after=1.0), False),
        (errors.OverloadedError("busy", retry_after=60.0), False),
        (errors.UpstreamError("500"), False),
    ],
)
def test_account_errors_differ_from_request_errors(
    error: errors.GatewayError, refused: bool
) -> None:
    assert is_about_account(error) is refused


@pytest.mark.parametrize(
    ("error", "unavailable"),
    [
        (errors.OverloadedError("full", code=CAPACITY), True),
        (errors.OverloadedError("busy"), True),
        (errors.OverloadedError("locked", code="accounts_locked"), True),
        (errors.QuotaExhaustedError("gone", retry_after=3600.0), True),
        (errors.RateLimitedError("slow down"), True),
        (errors.UpstreamCredentialError("401"), True),
        (errors.UnavailableError("disabled", code="accounts_disabled"), True),
        (errors.UnavailableError("none", code="no_credential"), True),
        (errors.OverloadedError("too many wait", code="queue_full"), False),
        (errors.OverloadedError("stopping", code="stopping"), False),
        (errors.UnavailableError("no upstream", code="no_upstream"), False),
        (errors.UpstreamError("500"), False),
        (errors.EmptyResponseError("nothing"), False),
        (errors.DeadlineError("late"), False),
        (errors.InvalidRequestError("no"), False),
        (errors.ContextLengthError("too long"), False),
    ],
)
def test_model_is_unavailable_if_no_account_can_serve_it(
    error: errors.GatewayError, unavailable: bool
) -> None:
    assert is_model_unavailable(error) is unavailable


def test_second_empty_response_ends_attempts() -> None:
    error = errors.EmptyResponseError("nothing")
    assert next_step(error, 1, repaired=False, luck=0.5).action == "other"
    assert next_step(error, 2, repaired=False, luck=0.5).action == "other"
    assert next_step(error, 2, repaired=False, emptied=True, luck=0.5).action == "give_up"
