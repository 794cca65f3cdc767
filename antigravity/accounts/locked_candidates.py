"""Locked accounts that are used nevertheless: estimated locks, and probes.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from antigravity.accounts.lock_rules import CREDENTIAL
from antigravity.interfaces.selection import Candidate


def retry_estimated_locks(candidates: Sequence[Candidate], max_wait: float) -> list[Candidate]:
    """Return the candidates with estimated locks removed, for requests that no account can serve.

    A temporary failure is retried rather than waited for.  An account with a refused credential is
    the last resort, because each request to it is likely to fail: its lock is removed only if no
    other account becomes free within ``max_wait`` seconds, and not while it rests.
    """
    eligible = [each for each in candidates if each.eligible]
    temporary = [each for each in eligible if each.estimated and each.lock != CREDENTIAL.kind]
    others = [each for each in eligible if each.lock != CREDENTIAL.kind]
    if temporary:
        kinds = {each.lock for each in temporary}
    elif any(each.locked_for <= max_wait for each in others):
        return list(candidates)
    else:
        kinds = {CREDENTIAL.kind}
    return [
        replace(each, locked_for=0.0)
        if each.estimated and not each.resting and each.lock in kinds
        else each
        for each in candidates
    ]


def choose_probe(candidates: Sequence[Candidate], chosen: Candidate | None) -> Candidate | None:
    """Return the locked account that the request should probe, if there is one.

    The end that an upstream names may be wrong: quotas are renewed early, bills are paid.  So one
    request per interval goes to a locked account.

    :param chosen: the account that would serve the request.  A session does not leave its own
        account for a probe, and accounts of a later rank are not probed.
    """
    due = [each for each in candidates if each.probe and each.eligible and not each.busy]
    if chosen is not None:
        if chosen.bound or chosen.fixed:
            return None
        due = [each for each in due if each.rank <= chosen.rank]
    elif any(each.available for each in candidates):  # the request waits for a busy account
        due = [each for each in due if each.bound or each.fixed]
    return min(
        due,
        key=lambda each: (not each.fixed, each.rank, not each.bound, each.tier, each.load),
        default=None,
    )
