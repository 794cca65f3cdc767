"""What a pool tells people: verdicts on accounts, and its state.  Labels are masked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from antigravity.accounts.affinity import Bindings
from antigravity.accounts.in_flight import InFlightCounts
from antigravity.accounts.lock_table import LockTable
from antigravity.interfaces.accounts import CandidateStatus, ICredentialSource
from antigravity.interfaces.selection import Candidate, Protection
from antigravity.interfaces.upstreams import Credential

_LOCKS: Final = {
    "quota": "its quota for this model is used up",
    "rate": "it has reached the rate limit of this model",
    "capacity": "the upstream has no capacity for this model",
    "failure": "the upstream failed",
    "credential": "the upstream refused it",
    "billing": "the upstream wants it to be paid for",
    "revoked": "its login was revoked or has expired: log in again",
    "absent": "the upstream does not have this model for it",
}
_TIER_NAMES: Final = ("ULTRA", "PRO", "FREE or unknown")


def masked_label(label: str) -> str:
    """Return a label by which its owner knows an account, and others do not."""
    name, at, domain = label.partition("@")
    if at:
        return f"{name[:2]}***@{domain}"
    return label if len(label) <= 12 else f"{label[:10]}…"


def verdicts(
    candidates: Sequence[Candidate], chosen: Candidate | None, source: ICredentialSource
) -> list[CandidateStatus]:
    """Return what speaks for or against each candidate, the chosen one first."""
    labels = {
        each.id: masked_label(each.label)
        for upstream in {candidate.option.upstream for candidate in candidates}
        for each in source.credentials(upstream)
    }
    found = [
        CandidateStatus(
            candidate.option,
            candidate.credential,
            labels.get(candidate.credential, ""),
            "chosen" if candidate == chosen else candidate.state,
            _reason(candidate, chosen),
            _free_in(candidate),
        )
        for candidate in candidates
    ]
    return sorted(found, key=lambda verdict: verdict.state != "chosen")


def protected_words(protection: Protection | None) -> str:
    """Return what is kept back, in numbers."""
    if protection is None:
        return ""
    left, threshold = percent(protection.left), percent(protection.threshold)
    return f"{left} of its quota for {protection.name} is left, and {threshold} is protected"


def percent(fraction: float) -> str:
    """Return a fraction for people, exact enough to be compared with a threshold."""
    return f"{fraction * 100:.4g} %"


def report(
    source: ICredentialSource,
    lockouts: LockTable,
    bindings: Bindings,
    occupancy: InFlightCounts,
    protections: Callable[[Credential], Sequence[Protection]],
    now: float,
) -> dict[str, Any]:
    """Return accounts, lockouts, protected quotas and bindings as a JSON object."""
    sessions = bindings.counts()
    return {
        "accounts": [
            {
                "id": each.id,
                "upstream": upstream,
                "label": masked_label(each.label),
                "running": occupancy.load(each.id),
                "last_used": occupancy.last_used(each.id) or None,
                "bindings": sessions[each.id],
            }
            for upstream in source.upstreams
            for each in source.credentials(upstream)
        ],
        "lockouts": [
            {
                "upstream": scope.upstream,
                "account": scope.credential,
                "model": scope.model,
                "reason": lock.kind,
                "free_in": _seconds(lock.until - now),
                "said_by_upstream": lock.given,
                "help": lock.help or None,
            }
            for scope, lock in lockouts.current()
        ],
        "protected": [
            {
                "upstream": upstream,
                "account": each.id,
                "models": protection.name,
                "left": protection.left,
                "threshold": protection.threshold,
                "free_in": _seconds(protection.until - now),
            }
            for upstream in source.upstreams
            for each in source.credentials(upstream)
            for protection in protections(each)
        ],
        "bindings": len(bindings),
    }


def _seconds(time: float) -> float | None:
    """Return a time that JSON can hold, ``None`` where it never comes."""
    return None if math.isinf(time) else round(time, 3)


def _free_in(candidate: Candidate) -> float | None:
    """Return the seconds until an account is free, if that is known."""
    if candidate.locked_for > 0:
        return None if math.isinf(candidate.locked_for) else candidate.locked_for
    return 0.0 if candidate.available else None


def _reason(candidate: Candidate, chosen: Candidate | None) -> str:
    if candidate == chosen:
        return _merit(candidate)
    match candidate.state:
        case "disabled":
            return candidate.disabled
        case "excluded":
            return "it was tried already"
        case "locked":
            return _LOCKS.get(candidate.lock, candidate.lock)
        case "protected":
            return protected_words(candidate.protection)
        case "busy":
            return f"it serves {candidate.load} requests, which is its limit"
    return _demerit(candidate, chosen)


def _merit(chosen: Candidate) -> str:
    if chosen.locked_for > 0:
        return "it is locked, and the next request probes whether it has to be"
    if chosen.fixed:
        return "it is the fixed account"
    if chosen.bound:
        return "the conversation belongs to it"
    if chosen.recent:
        return "it served the last request"
    return (
        f"best of the pool: tier {_TIER_NAMES[chosen.tier]}, "
        f"{chosen.remaining:.0%} of its quota left, {chosen.load} requests running"
    )


def _demerit(candidate: Candidate, chosen: Candidate | None) -> str:
    """Return why an account that is free was not taken."""
    if chosen is None:
        return "the conversation's own account is waited for"
    if chosen.fixed:
        return "another account is fixed"
    if candidate.place > chosen.place:
        return "an option before this one can be served"
    if candidate.bound:
        return "it serves too many others: the conversation moves"
    if chosen.bound:
        return "the conversation belongs to another account"
    if chosen.recent:
        return "another account served the last request"
    if candidate.option.upstream != chosen.option.upstream and candidate.load <= chosen.load:
        return "upstreams of one priority share the requests, and it is another one's turn"
    for name, mine, best in (
        ("tier", candidate.tier, chosen.tier),
        ("quota", -candidate.remaining, -chosen.remaining),
        ("load", candidate.load, chosen.load),
    ):
        if mine > best:
            return f"another account's {name} is better"
    return "another account comes first for this conversation"
