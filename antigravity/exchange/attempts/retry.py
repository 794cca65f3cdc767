"""A table of what to do after a failed attempt: pure.

Nothing has been sent to the client yet.  If another account may help, it is tried at once; if the
failure may pass, the request waits briefly; if the request itself is at fault, the client gets the
error.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from antigravity.ir.errors import (
    DeadlineError,
    EmptyResponseError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    UnavailableError,
    UnusableResponseError,
    UpstreamCredentialError,
    UpstreamError,
)

#: The maximum number of attempts for one request.
MAX_ATTEMPTS: Final = 3
#: The same while there are accounts that were not tried, and the seconds in which that holds: one
#: of them may serve what the others failed to, without a pause.
MAX_ATTEMPTS_WITH_OTHERS: Final = 5
LONGEST_WITH_OTHERS: Final = 30.0
#: Accounts that may refuse a request besides, see :func:`is_about_account`.
MAX_REFUSALS: Final = 10

#: Requests that are repeated without the parameters that an upstream refused.  Most upstreams name
#: one parameter at a time.
MAX_OMISSIONS: Final = 3

#: Seconds: a rate limit that ends sooner is waited for with the same account.
SHORT_LIMIT: Final = 2.0
#: Seconds added to the end of a limit, so that the account is really free.
LIMIT_MARGIN: Final = 0.2
#: Pauses, in multiples of the configured one: for each attempt at a failed server, for each at a
#: model without capacity, and before a repaired request or one whose response was empty.
SERVER_PAUSES: Final = 1.0
CAPACITY_PAUSES: Final = 2.0
SOON: Final = 0.2

#: The code of :class:`OverloadedError` when the model, not an account, has no capacity.
CAPACITY: Final = "model_capacity_exhausted"


#: Codes of errors that are about the gateway and not about a model.
_OF_GATEWAY: Final = frozenset({"queue_full", "stopping"})
#: Codes of errors for a model without any usable account.
_NO_ACCOUNT: Final = frozenset({"accounts_disabled", "no_credential", "quota_protected"})


class Step(Struct, frozen=True):
    """What to do next, after ``delay`` seconds.

    ``same`` tries the same account again, ``other`` any other one, ``repair`` the same one with a
    repaired history.
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
    most: int = MAX_ATTEMPTS,
) -> Step:
    """Return what to do after the ``attempts``-th attempt of ``most`` failed with ``error``.

    ``pause`` is in seconds.  ``repaired`` says that the history was repaired already,
    ``emptied`` that an earlier attempt ended without content.  ``luck`` is a random number from 0
    to 1, which spreads the delays so that many clients do not retry at the same moment.
    """
    if attempts >= most:
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
        case EmptyResponseError() if emptied:
            return GIVE_UP  # it was the second time
        case EmptyResponseError() | UnusableResponseError():
            return Step("other", SOON * pause)
        case UnavailableError() | DeadlineError(code="total_timeout"):
            return GIVE_UP
        case NotFoundError():
            return Step("other", SOON * pause)
        case UpstreamError():
            return Step("other", SERVER_PAUSES * pause * attempts * jitter)
        case _:
            return GIVE_UP


def most_attempts(error: GatewayError, *, others: bool, seconds: float) -> int:
    """Return how many attempts a request gets if the last one failed with ``error``.

    ``others`` says that there are accounts that were not tried, ``seconds`` is the time since the
    first attempt.
    """
    is_of_model = isinstance(error, OverloadedError) and error.code == CAPACITY
    is_failure = isinstance(error, UpstreamError) and not is_about_account(error)
    may_help = is_failure and not is_of_model
    if may_help and others and seconds < LONGEST_WITH_OTHERS:
        return MAX_ATTEMPTS_WITH_OTHERS
    return MAX_ATTEMPTS


def is_about_account(error: GatewayError) -> bool:
    """Return whether an upstream refused an account without looking at the request.

    That does not count as an attempt: another account is tried at once.
    """
    if isinstance(error, RateLimitedError):
        return error.retry_after is None or error.retry_after > SHORT_LIMIT
    return isinstance(error, UpstreamCredentialError)


def may_ignore(error: GatewayError) -> bool:
    """Return whether the failure of a probe is ignored, as if it had not been made.

    Errors of the request itself are final, and so is the end of its time.
    """
    if isinstance(error, DeadlineError) and error.code == "total_timeout":
        return False
    return isinstance(error, RateLimitedError | UpstreamError | NotFoundError)


def is_model_unavailable(error: GatewayError) -> bool:
    """Return whether no account can serve the model now, so that a fallback model may.

    The model has no capacity, or each account for it is at a limit, locked or refused.
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

    Upstreams have no code for this, so the message is searched.
    """
    if not isinstance(error, InvalidRequestError) or error.upstream_status != 400:
        return False
    message = error.message.lower()
    if "bound to a different conversation" in message:
        return True
    if "expected `thinking`" in message:
        return True  # the client dropped it, and it is no longer stored here
    return "signature" in message and ("think" in message or "thought" in message)


def is_more_precise(pool: GatewayError, failure: GatewayError) -> bool:
    """Return whether the pool's error says more than that of the last attempt.

    Of limits the pool knows the one that ends first; of all else only that it is locked now.
    """
    return isinstance(pool, RateLimitedError) and isinstance(failure, RateLimitedError)
