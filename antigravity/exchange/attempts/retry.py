"""What to do after a failed attempt: pure.

Nothing has been sent to the client yet.  What another account may cure goes to another
account at once; what passes by itself is waited for briefly; what the request itself is to
blame for is told to the client.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from antigravity.ir.errors import (
    DeadlineError,
    EmptyAnswerError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    UnavailableError,
    UnusableAnswerError,
    UpstreamCredentialError,
    UpstreamError,
)

#: Attempts for one request at the most.
MAX_ATTEMPTS: Final = 3
#: So many accounts may refuse a request besides; see :func:`is_about_account`.
MAX_REFUSALS: Final = 10

#: A limit that ends within so many seconds is waited for on the same account.
SHORT_LIMIT: Final = 2.0
#: Added to a limit's end, so that the account is really free.
LIMIT_MARGIN: Final = 0.2
#: Pauses, in parts of the configured one.  A failed server is given a whole one for each
#: attempt, a model without capacity two; a repaired or merely unlucky request goes out soon.
SERVER_PAUSES: Final = 1.0
CAPACITY_PAUSES: Final = 2.0
SOON: Final = 0.2

#: The code of :class:`OverloadedError` when the model, not an account, has no capacity.
CAPACITY: Final = "model_capacity_exhausted"


#: Codes of errors that are about the gateway, whatever the model.
_OF_GATEWAY: Final = frozenset({"queue_full", "stopping"})
#: Codes of errors that say that a model has no account that could serve.
_NO_ACCOUNT: Final = frozenset({"accounts_disabled", "no_credential", "quota_protected"})


class Step(Struct, frozen=True):
    """What comes next.

    ``give_up``; or, after ``delay`` seconds, the ``same`` account, any ``other`` one, or the
    same one with the history ``repair``-ed.
    """

    action: Literal["give_up", "same", "other", "repair"]
    delay: float = 0.0


GIVE_UP: Final = Step("give_up")


def next_step(
    error: GatewayError,
    attempts: int,
    *,
    repaired: bool,
    emptied: bool = False,
    luck: float,
    pause: float = 1.0,
) -> Step:
    """Return what to do after the ``attempts``-th attempt failed with ``error``.

    ``pause`` is in seconds.  ``emptied`` says that an attempt before ended without content.
    ``luck`` is a random number from 0 to 1; it spreads the delays, so
    that many clients do not come back at the same moment.
    """
    if attempts >= MAX_ATTEMPTS:
        return GIVE_UP
    if is_about_signatures(error):
        return GIVE_UP if repaired else Step("repair", SOON * pause)
    jitter = 0.5 + luck
    match error:
        case RateLimitedError(retry_after=float(delay)) if delay <= SHORT_LIMIT:
            return Step("same", delay + LIMIT_MARGIN)
        case RateLimitedError() | UpstreamCredentialError():
            return Step("other")
        case OverloadedError(code="model_capacity_exhausted"):
            return Step("same", CAPACITY_PAUSES * pause * attempts * jitter)
        case OverloadedError():
            return Step("other", SERVER_PAUSES * pause * attempts * jitter)
        case EmptyAnswerError() if emptied:
            return GIVE_UP  # it was the second time
        case EmptyAnswerError() | UnusableAnswerError():
            return Step("other", SOON * pause)
        case UnavailableError() | DeadlineError(code="total_timeout"):
            return GIVE_UP
        case NotFoundError():
            return Step("other", SOON * pause)
        case UpstreamError():
            return Step("other", SERVER_PAUSES * pause * attempts * jitter)
        case _:
            return GIVE_UP


def is_about_account(error: GatewayError) -> bool:
    """Return whether an upstream refused an account, and did not look at the request.

    That is no attempt: another account, which is asked at once, has not been tried yet.
    """
    if isinstance(error, RateLimitedError):
        return error.retry_after is None or error.retry_after > SHORT_LIMIT
    return isinstance(error, UpstreamCredentialError)


def may_ignore(error: GatewayError) -> bool:
    """Return whether the failure of a probe is as if it had not been made.

    What the request itself is to blame for is told at once, and so is that its time is over.
    """
    if isinstance(error, DeadlineError) and error.code == "total_timeout":
        return False
    return isinstance(error, RateLimitedError | UpstreamError | NotFoundError)


def is_model_unavailable(error: GatewayError) -> bool:
    """Return whether another model may serve: nobody can serve this one now.

    It has no capacity, or each account for it is at a limit, locked or refused.
    """
    match error:
        case RateLimitedError() | UpstreamCredentialError():
            return True
        case OverloadedError(code=code):
            return code not in _OF_GATEWAY
        case UnavailableError(code=code):
            return code in _NO_ACCOUNT
    return False


def is_about_signatures(error: GatewayError) -> bool:
    """Return whether an upstream refused the thinking in the history, or misses it there.

    Upstreams have no code for it; their words are what there is.
    """
    if not isinstance(error, InvalidRequestError) or error.upstream_status != 400:
        return False
    words = error.message.lower()
    if "expected `thinking`" in words:
        return True  # the client dropped it, and it is not known here any more
    return "signature" in words and ("think" in words or "thought" in words)
