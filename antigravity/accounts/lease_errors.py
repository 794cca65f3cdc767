"""Errors for clients whose requests no account can serve.  Pure.

``retry_after`` is when the first account becomes free.  No error names an account.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from antigravity.accounts.lock_rules import BILLING_CODE, CAPACITY_CODE
from antigravity.interfaces.accounts import LeaseRequest
from antigravity.interfaces.selection import Candidate
from antigravity.ir.errors import (
    GatewayError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    UnavailableError,
    UpstreamCredentialError,
)


def no_account_error(
    request: LeaseRequest, candidates: Sequence[Candidate], average_duration: float
) -> GatewayError:
    """Return the error for a request that no account serves.

    Accounts that were already tried count for the delay, since the next request may use them.

    :param average_duration: the seconds for which a busy account is expected to stay busy.
    """
    models = (
        ", ".join(sorted({upstream_model.model for upstream_model in request.upstream_models}))
        or "this request"
    )
    delays = [
        (candidate.locked_for if candidate.locked_for > 0 else average_duration, candidate)
        for candidate in candidates
        if _becomes_free(candidate)
    ]
    if not delays:
        return _unavailable(models, candidates)
    delay, first = min(delays, key=lambda pair: pair[0])
    count = len({candidate.credential for _, candidate in delays})
    who = "The only account" if count == 1 else f"Each of the {count} accounts"
    when = f"try again in {max(1, math.ceil(delay))} s"
    match first.lock:
        case "quota":
            message = f"{who} for {models} has used up its quota; {when}."
            return QuotaExhaustedError(message, code="quota_exhausted", retry_after=delay)
        case "protected":
            message = f"{who} for {models} has only its protected quota left; {when}."
            return QuotaExhaustedError(message, code="quota_protected", retry_after=delay)
        case "rate":
            message = f"{who} for {models} has reached its rate limit; {when}."
            return RateLimitedError(message, code="rate_limit_exceeded", retry_after=delay)
        case "billing":
            message = f"{who} for {models} has no credit left; {when}."
            return QuotaExhaustedError(message, code=BILLING_CODE, retry_after=delay)
        case "capacity":
            message = f"The upstream has no capacity for {models} now; {when}."
            return OverloadedError(message, code=CAPACITY_CODE, retry_after=delay)
        case "credential":
            message = (
                f"{who} for {models} was refused by its upstream; check its key, or log in again."
            )
            return UpstreamCredentialError(message, code="credential_refused")
        case "":
            message = f"{who} for {models} is busy; {when}."
            return OverloadedError(message, code="accounts_busy", retry_after=delay)
    message = f"{who} for {models} is temporarily locked; {when}."
    return OverloadedError(message, code="accounts_locked", retry_after=delay)


def queue_full_error(average_duration: float) -> OverloadedError:
    """Return the error for a request when the lease queue is full."""
    return OverloadedError(
        "Too many requests already wait for an account; try again later.",
        code="queue_full",
        retry_after=max(1.0, average_duration),
    )


def stopping_error() -> OverloadedError:
    """Return the error for a request while the gateway stops."""
    return OverloadedError("The gateway is stopping; try again soon.", code="stopping")


def _becomes_free(candidate: Candidate) -> bool:
    if candidate.disabled or math.isinf(candidate.locked_for):
        return False
    return candidate.locked_for > 0 or candidate.busy


def _unavailable(models: str, candidates: Sequence[Candidate]) -> UnavailableError:
    """Return the error for a request that waiting cannot help."""
    states = {candidate.state for candidate in candidates}
    if not candidates:
        message = (
            f"No account for {models}: add one with 'antigravity accounts add', or set api_key "
            "in the configuration file."
        )
        return UnavailableError(message, code="no_credential")
    if states <= {"excluded", "disabled", "protected", "locked"} and "excluded" in states:
        return UnavailableError(
            f"No other account is left to try {models} with.", code="no_account_left"
        )
    if "protected" in states:
        message = f"Every account for {models} has only its protected quota left."
        return UnavailableError(message, code="quota_protected")
    message = f"Every account for {models} is disabled, or its login has expired."
    return UnavailableError(message, code="accounts_disabled")
