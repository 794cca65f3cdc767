"""What an upstream's error says about the account that was used: pure.

How long a lock lasts is the upstream's to say.  The steps here stand in where it does not.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from msgspec import Struct

from antigravity.ir.errors import (
    EmptyAnswerError,
    GatewayError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    UnavailableError,
    UnusableAnswerError,
    UpstreamCredentialError,
    UpstreamError,
)

LockKind = Literal[
    "quota", "rate", "capacity", "failure", "credential", "billing", "revoked", "absent"
]

#: The code of an error that is about all accounts of a model alike.
CAPACITY_CODE: Final = "model_capacity_exhausted"
#: The code of an error that ends only with a payment, whatever its status.
BILLING_CODE: Final = "insufficient_quota"
#: The code of an error after which only a new token helps.
REVOKED_CODE: Final = "invalid_grant"


class LockRule(Struct, frozen=True):
    """What one kind of error leads to.

    ``reach`` is what is locked: the account for one ``model``, the whole ``account``, or the
    model for ``everyone``.  ``steps`` are seconds, by the number of failures in a row.
    ``jitter`` is the part of a step that chance may add, so that not all come back at once.
    ``ends_bindings`` says whether conversations leave the account.
    """

    kind: LockKind
    reach: Literal["model", "account", "everyone"]
    steps: tuple[float, ...]
    jitter: float = 0.0
    ends_bindings: bool = False

    def step(self, failures: int) -> float:
        """Return the seconds after that many failures in a row."""
        return self.steps[min(max(failures, 1), len(self.steps)) - 1]


QUOTA: Final = LockRule("quota", "model", (60.0, 300.0, 1800.0, 7200.0))
RATE: Final = LockRule("rate", "model", (5.0, 10.0, 20.0, 40.0, 60.0))
CAPACITY: Final = LockRule("capacity", "everyone", (5.0, 10.0, 15.0), jitter=0.2)
FAILURE: Final = LockRule("failure", "model", (8.0,))
CREDENTIAL: Final = LockRule("credential", "account", (600.0,), ends_bindings=True)
BILLING: Final = LockRule("billing", "account", (600.0,), ends_bindings=True)
REVOKED: Final = LockRule("revoked", "account", (math.inf,), ends_bindings=True)
ABSENT: Final = LockRule("absent", "model", (5.0,), ends_bindings=True)


#: Limits: what an upstream says of their end may be wrong, since it may have been renewed since.
LIMIT_KINDS: Final = frozenset({QUOTA.kind, RATE.kind, BILLING.kind})
#: What these say of an account is a guess: the next request may well be served, and a lock must
#: not make an upstream unusable that has no other account.
ESTIMATED_KINDS: Final = frozenset({FAILURE.kind, ABSENT.kind, CREDENTIAL.kind})


def rule_for(error: GatewayError) -> LockRule | None:
    """Return what an error leads to; ``None`` if it says nothing about the account.

    An empty answer comes as often from the request (too few tokens) as from the upstream, so
    nobody else has to suffer for it.  What is no answer at all comes from the upstream's address.
    """
    if isinstance(error, UnavailableError | EmptyAnswerError | UnusableAnswerError):
        return None
    if isinstance(error, UpstreamCredentialError) and error.code == REVOKED_CODE:
        return REVOKED
    if error.upstream_status == 402 or error.code == BILLING_CODE:
        return BILLING
    match error:
        case QuotaExhaustedError():
            return QUOTA
        case RateLimitedError():
            return RATE
        case OverloadedError(code=code) if code == CAPACITY_CODE:
            return CAPACITY
        case UpstreamCredentialError():
            return CREDENTIAL
        case NotFoundError():
            return ABSENT
    if error.upstream_status in (401, 403):
        return CREDENTIAL
    if error.upstream_status == 404:
        return ABSENT
    return FAILURE if isinstance(error, UpstreamError) else None
