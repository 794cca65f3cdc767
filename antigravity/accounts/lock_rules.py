"""Rules for locks: which error of an upstream locks what, and for how long.  Pure.

The durations here apply only if the upstream does not name the end of a limit.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from msgspec import Struct

from antigravity.ir.errors import (
    EmptyResponseError,
    GatewayError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    UnavailableError,
    UnusableResponseError,
    UpstreamCredentialError,
    UpstreamError,
)

LockKind = Literal[
    "quota", "rate", "capacity", "failure", "credential", "billing", "revoked", "absent"
]

#: The code of an error that affects all accounts of a model.
CAPACITY_CODE: Final = "model_capacity_exhausted"
#: The code of an error that requires a payment, whatever the status code.
BILLING_CODE: Final = "insufficient_quota"
#: The code of an error that requires a new token.
REVOKED_CODE: Final = "invalid_grant"


class LockRule(Struct, frozen=True):
    """The lock that one kind of error causes.

    ``scope`` is what is locked: the account for one ``model``, the whole ``account``, or the model
    for ``everyone``.  ``durations`` are in seconds, by the number of failures in a row.
    ``jitter`` is the fraction of a duration that is added at random, so that requests do not
    return all at once.  ``ends_bindings`` says whether sessions leave the account.

    An estimated lock is ignored if no other account can serve.  ``pauses`` are the seconds, by the
    number of failures in a row, before that happens again.
    """

    kind: LockKind
    scope: Literal["model", "account", "everyone"]
    durations: tuple[float, ...]
    jitter: float = 0.0
    ends_bindings: bool = False
    pauses: tuple[float, ...] = (0.0,)

    def duration(self, failures: int) -> float:
        """Return the seconds of a lock after that many failures in a row."""
        return self.durations[min(max(failures, 1), len(self.durations)) - 1]

    def pause(self, failures: int) -> float:
        """Return the seconds of the pause after that many failures in a row."""
        return self.pauses[min(max(failures, 1), len(self.pauses)) - 1]


QUOTA: Final = LockRule("quota", "model", (60.0, 300.0, 1800.0, 7200.0))
RATE: Final = LockRule("rate", "model", (5.0, 10.0, 20.0, 40.0, 60.0))
CAPACITY: Final = LockRule("capacity", "everyone", (5.0, 10.0, 15.0), jitter=0.2)
FAILURE: Final = LockRule("failure", "model", (8.0,))
#: A key that is refused twice is most likely refused again: not every request should try.
CREDENTIAL: Final = LockRule(
    "credential", "account", (600.0,), ends_bindings=True, pauses=(0.0, 2.0, 5.0, 10.0, 30.0)
)
BILLING: Final = LockRule("billing", "account", (600.0,), ends_bindings=True)
REVOKED: Final = LockRule("revoked", "account", (math.inf,), ends_bindings=True)
ABSENT: Final = LockRule("absent", "model", (5.0,), ends_bindings=True)


#: Locks by limits: their end may be earlier than the upstream named, since limits can be renewed.
LIMIT_KINDS: Final = frozenset({QUOTA.kind, RATE.kind, BILLING.kind})
#: Locks of whole accounts, which sessions leave.
BINDING_KINDS: Final = frozenset({CREDENTIAL.kind, BILLING.kind, REVOKED.kind})
#: Estimated locks: the next request may succeed, and a lock must not make an upstream with a
#: single account unusable.
ESTIMATED_KINDS: Final = frozenset({FAILURE.kind, ABSENT.kind, CREDENTIAL.kind})


def rule_for(error: GatewayError) -> LockRule | None:
    """Return the rule for an error; ``None`` if the account is not its cause.

    An empty response is as often the fault of the request (too few tokens) as of the upstream.  A
    malformed response is the fault of the upstream's address.
    """
    if isinstance(error, UnavailableError | EmptyResponseError | UnusableResponseError):
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
