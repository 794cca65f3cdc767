"""Chooses a locked account to probe: pure.

The end of a limit that an upstream names may be wrong: quotas are renewed early, bills are paid.
So one request per interval goes to a locked account, where that costs it little.
"""

from __future__ import annotations

from collections.abc import Sequence

from antigravity.interfaces.selection import Candidate


def probe_first(candidates: Sequence[Candidate], chosen: Candidate | None) -> Candidate | None:
    """Return the locked account that the request should try first, if there is one.

    :param chosen: the account that would serve it.  A conversation does not leave its own account
        for a probe, and an account that comes after the chosen one is not probed.
    """
    due = [each for each in candidates if each.probe and each.eligible and not each.busy]
    if chosen is not None:
        if chosen.bound or chosen.fixed:
            return None
        due = [each for each in due if each.place <= chosen.place]
    elif any(each.available for each in candidates):  # an account is busy, and will be waited for
        due = [each for each in due if each.bound or each.fixed]
    return min(
        due,
        key=lambda each: (not each.fixed, each.place, not each.bound, each.tier, each.load),
        default=None,
    )
