"""Locks that are guesses, for when nobody is free: pure.

What may have passed is tried rather than waited for.  An account whose credential was refused
is the last resort: it would cost every request an attempt in vain.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from antigravity.accounts.lock_rules import CREDENTIAL
from antigravity.interfaces.selection import Candidate


def retry_estimated_locks(candidates: Sequence[Candidate], max_wait: float) -> list[Candidate]:
    """Return the candidates, those unlocked that are worth a try.

    ``max_wait`` is how many seconds others are waited for before a refused account is tried.
    """
    eligible = [each for each in candidates if each.eligible]
    passing = [each for each in eligible if each.estimated and each.lock != CREDENTIAL.kind]
    others = [each for each in eligible if each.lock != CREDENTIAL.kind]
    if passing:
        open_kinds = {each.lock for each in passing}
    elif any(each.locked_for <= max_wait for each in others):
        return list(candidates)
    else:
        open_kinds = {CREDENTIAL.kind}
    return [
        replace(each, locked_for=0.0) if each.estimated and each.lock in open_kinds else each
        for each in candidates
    ]
