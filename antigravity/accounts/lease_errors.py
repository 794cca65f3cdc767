"""What a client is told when no account can serve it: pure.

``retry_after`` is when the first account is free again.  No account is ever named.
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
)


def refusal(request: LeaseRequest, candidates: Sequence[Candidate], typical: float) -> GatewayError:
    """Return the error for a request that nobody serves.

    Accounts that were tried already count for the delay: the next request may use them.

    :param typical: how long an account that is busy stays so, in seconds.
    """
    models = ", ".join(sorted({option.model for option in request.options})) or "this request"
    delays = [
        (candidate.locked_for if candidate.locked_for > 0 else typical, candidate)
        for candidate in candidates
        if _comes_back(candidate)
    ]
    if not delays:
        return _nobody(models, candidates)
    delay, first = min(delays, key=lambda pair: pair[0])
    count = len({candidate.credential for _, candidate in delays})
    who = "The only account" if count == 1 else f"Each of the {count} accounts"
    when = f"try again in {max(1, math.ceil(delay))} s"
    match first.lock:
        case "quota":
            message = f"{who} for {models} has used up its quota; {when}."
            return QuotaExhaustedError(message, code="quota_exhausted", retry_after=delay)
        case "protected":
            message = f"{who} for {models} has no quota left but what is protected; {when}."
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
        case "":
            message = f"{who} for {models} is busy; {when}."
            return OverloadedError(message, code="accounts_busy", retry_after=delay)
    message = f"{who} for {models} is out of service for now; {when}."
    return OverloadedError(message, code="accounts_locked", retry_after=delay)


def queue_full(typical: float) -> OverloadedError:
    """Return the error for a request that may not even wait."""
    return OverloadedError(
        "Too many requests wait for an account already; try again later.",
        code="queue_full",
        retry_after=max(1.0, typical),
    )


def stopping() -> OverloadedError:
    """Return the error for a request that comes, or waits, while the gateway stops."""
    return OverloadedError("The gateway is being stopped; try again soon.", code="stopping")


def _comes_back(candidate: Candidate) -> bool:
    if candidate.disabled or math.isinf(candidate.locked_for):
        return False
    return candidate.locked_for > 0 or candidate.busy


def _nobody(models: str, candidates: Sequence[Candidate]) -> UnavailableError:
    """Return the error where waiting helps nobody."""
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
        message = f"What is left of the quota for {models} is protected on every account."
        return UnavailableError(message, code="quota_protected")
    message = f"Every account for {models} is disabled, or its login has expired."
    return UnavailableError(message, code="accounts_disabled")
