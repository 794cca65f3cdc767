"""The state of a pool for the operator.  Labels are masked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from antigravity.accounts.affinity import Bindings
from antigravity.accounts.in_flight import InFlightCounts
from antigravity.accounts.lock_table import LockTable
from antigravity.accounts.masked_label import masked_label
from antigravity.interfaces.accounts import CandidateStatus, ICredentialSource
from antigravity.interfaces.selection import Candidate, Protection
from antigravity.interfaces.status import (
    AccountStatus,
    LockStatus,
    PoolStatus,
    ProtectedQuota,
    QueueState,
)
from antigravity.interfaces.upstreams import Credential

_LOCK_REASONS: Final = {
    "quota": "its quota for this model is used up",
    "rate": "it has reached the rate limit of this model",
    "capacity": "the upstream has no capacity for this model",
    "failure": "the upstream failed",
    "credential": "the upstream refused its credential",
    "billing": "the upstream requires a payment",
    "revoked": "its login was revoked or has expired: log in again",
    "absent": "the upstream does not offer this model to it",
}
_TIER_NAMES: Final = ("ULTRA", "PRO", "FREE")


def explain_candidates(
    candidates: Sequence[Candidate], chosen: Candidate | None, source: ICredentialSource
) -> list[CandidateStatus]:
    """Return the status of each candidate with its reason, the chosen one first."""
    labels = {
        each.id: masked_label(each.label)
        for upstream in {candidate.upstream_model.upstream for candidate in candidates}
        for each in source.credentials(upstream)
    }
    found = [
        CandidateStatus(
            candidate.upstream_model,
            candidate.credential,
            labels.get(candidate.credential, ""),
            "chosen" if candidate == chosen else candidate.state,
            _reason(candidate, chosen),
            _free_in(candidate),
        )
        for candidate in candidates
    ]
    return sorted(found, key=lambda status: status.state != "chosen")


def describe_lock(kind: str) -> str:
    """Return a text for the reason of a lock."""
    return _LOCK_REASONS.get(kind, kind)


def describe_protection(protection: Protection | None) -> str:
    """Return a text with the remaining quota and the threshold."""
    if protection is None:
        return ""
    remaining, threshold = percent(protection.remaining), percent(protection.threshold)
    return f"{remaining} of its quota for {protection.name} is left, and {threshold} is protected"


def describe_quota(candidate: Candidate) -> str:
    """Return a text with what is left of a quota, if that is known."""
    if not candidate.quota_known:
        return "quota unknown"
    return f"{candidate.remaining:.0%} of its quota left"


def percent(fraction: float) -> str:
    """Return a fraction in percent, with four digits."""
    return f"{fraction * 100:.4g} %"


def build_status(
    source: ICredentialSource,
    locks: LockTable,
    bindings: Bindings,
    in_flight: InFlightCounts,
    protections: Callable[[Credential], Sequence[Protection]],
    now: float,
    *,
    mode: str,
    fixed: str | None,
    queue: QueueState,
) -> PoolStatus:
    """Return the state of a pool: accounts, locks, protected quotas and bindings."""
    sessions = bindings.counts()
    return PoolStatus(
        mode=mode,
        fixed=fixed,
        running=in_flight.total,
        queue=queue,
        accounts=[
            AccountStatus(
                each.id,
                upstream,
                masked_label(each.label),
                in_flight.load(each.id),
                in_flight.last_used(each.id) or None,
                sessions[each.id],
                *(in_flight.last_error(each.id) or ()),
            )
            for upstream in source.upstreams
            for each in source.credentials(upstream)
        ],
        locks=[
            LockStatus(
                scope.upstream,
                scope.credential,
                scope.model,
                lock.kind,
                _seconds(lock.until - now),
                lock.from_upstream,
                lock.help or None,
            )
            for scope, lock in locks.active_locks()
        ],
        protected=[
            ProtectedQuota(
                upstream,
                each.id,
                protection.name,
                protection.remaining,
                protection.threshold,
                _seconds(protection.until - now),
            )
            for upstream in source.upstreams
            for each in source.credentials(upstream)
            for protection in protections(each)
        ],
        bindings=len(bindings),
    )


def _seconds(time: float) -> float | None:
    """Return seconds for JSON, ``None`` for infinity."""
    return None if math.isinf(time) else round(time, 3)


def _free_in(candidate: Candidate) -> float | None:
    """Return the seconds until an account becomes free, if they are known."""
    if candidate.locked_for > 0:
        return None if math.isinf(candidate.locked_for) else candidate.locked_for
    return 0.0 if candidate.available else None


def _reason(candidate: Candidate, chosen: Candidate | None) -> str:
    if candidate == chosen:
        return _reason_chosen(candidate)
    match candidate.state:
        case "disabled":
            return candidate.disabled
        case "excluded":
            return "it was already tried"
        case "locked":
            return describe_lock(candidate.lock)
        case "protected":
            return describe_protection(candidate.protection)
        case "busy":
            return f"it serves {candidate.load} requests, which is its limit"
    return _reason_not_chosen(candidate, chosen)


def _reason_chosen(chosen: Candidate) -> str:
    if chosen.locked_for > 0:
        return "it is locked, and the next request probes the lock"
    if chosen.fixed:
        return "it is the fixed account"
    if chosen.bound:
        return "the session is bound to it"
    if chosen.recent:
        return "it served the last request"
    return (
        f"best of the available accounts: {_describe_tier(chosen)}, "
        f"{describe_quota(chosen)}, {chosen.load} requests in progress"
    )


def _describe_tier(candidate: Candidate) -> str:
    if not candidate.tier_known:
        return "tier unknown"
    return f"tier {_TIER_NAMES[candidate.tier]}"


def _reason_not_chosen(candidate: Candidate, chosen: Candidate | None) -> str:
    """Return why an available account was not chosen."""
    if chosen is None:
        return "the request waits for the account that its session is bound to"
    if chosen.fixed:
        return "another account is fixed"
    if candidate.rank > chosen.rank:
        return "a preferred upstream_model is available"
    if candidate.bound:
        return "it serves too many other sessions, so the session moves"
    if chosen.bound:
        return "the session is bound to another account"
    if chosen.recent:
        return "another account served the last request"
    if (
        candidate.upstream_model.upstream != chosen.upstream_model.upstream
        and candidate.load <= chosen.load
    ):
        return "upstreams of the same priority take turns, and it is another one's turn"
    for name, mine, best in (
        ("tier", candidate.tier, chosen.tier),
        ("quota", -candidate.remaining, -chosen.remaining),
        ("load", candidate.load, chosen.load),
    ):
        if mine > best:
            return f"another account's {name} is better"
    return "another account comes first for this session"
