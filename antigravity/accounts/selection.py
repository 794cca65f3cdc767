"""The built-in ways to choose among accounts: pure.

All of them go by the order of a request's options, and serve from the fixed account what it
can serve.  They differ in what a conversation's own account is worth.

Options of one rank may be of several upstreams.  Some tell tiers and quotas and others do not,
so those decide within an upstream only: between upstreams, an account is as good as any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from zope.interface import implementer

from antigravity.accounts.affinity import weight
from antigravity.interfaces.selection import (
    Candidate,
    ISelectionPolicy,
    Selection,
    SelectionContext,
)

#: Tiers of accounts, best first.  Nothing known counts as the last.
TIERS: Final[Mapping[str, int]] = {"ULTRA": 0, "PRO": 1, "FREE": 2}
LAST_TIER: Final = max(TIERS.values())

#: Quotas that differ by less are alike, so that load and affinity have a say.
_QUOTA_STEP: Final = 0.1
#: With this many requests of others, an account may be called hot.
_HOT_AT_LEAST: Final = 4
#: How far above the average the load of a conversation's own account may be.
_HOT_FACTOR: Final = 2.0
#: How far above the average the load of a conversation's first choice may be.
_SHARE_FACTOR: Final = 1.25


def tier_rank(tier: str) -> int:
    """Return the place of a tier, best 0."""
    return TIERS.get(tier.upper(), LAST_TIER)


def share(candidates: Sequence[Candidate]) -> float:
    """Return how many requests of others an account may serve and still be a first choice."""
    total = sum(candidate.foreign_load for candidate in candidates)
    return _SHARE_FACTOR * math.ceil((total + 1) / max(1, len(candidates)))


def is_hot(candidate: Candidate, among: Sequence[Candidate]) -> bool:
    """Return whether an account serves so much for others that a conversation should leave.

    A conversation's own parallel requests never drive it away.
    """
    others = [each for each in among if each.credential != candidate.credential]
    if not others or candidate.foreign_load < _HOT_AT_LEAST:
        return False
    average = sum(each.load for each in others) / len(others)
    return candidate.foreign_load > _HOT_FACTOR * (average + 1)


def _peers(candidates: Sequence[Candidate], place: int) -> list[Candidate]:
    """Return the accounts of one rank that could serve now, the busy ones too."""
    return [
        each
        for each in candidates
        if each.place == place and each.eligible and each.locked_for <= 0
    ]


def _quota_step(candidate: Candidate) -> int:
    remaining = min(max(candidate.remaining, 0.0), 1.0)
    return math.floor(remaining / _QUOTA_STEP + 1e-9)


def _pool_key(candidate: Candidate, limit: float, session: str) -> tuple[Any, ...]:
    """Return the place of an account in the pool; within its share, affinity goes by hash."""
    load = candidate.foreign_load
    if session and load + 1 <= limit:
        load = 0
    used = 0.0 if session else candidate.last_used
    return (
        candidate.tier,
        -_quota_step(candidate),
        load,
        used,
        -weight(session, candidate.credential),
    )


def _turns(free: Sequence[Candidate], limit: float, session: str) -> dict[str, tuple[Any, ...]]:
    """Return the place of each upstream among those of one rank.

    A conversation goes by hash, so that an upstream gets as many as it has accounts; other
    requests go where there is least to do, and then where the last one did not go.
    """
    turns: dict[str, tuple[Any, ...]] = {}
    for candidate in free:
        load = candidate.foreign_load
        if session:
            own = (load if load + 1 > limit else 0, -weight(session, candidate.credential))
            turn = min(own, turns.get(candidate.option.upstream, own))
        else:
            least, used = turns.get(candidate.option.upstream, (load, 0.0))
            turn = (min(load, least), max(used, candidate.last_used))
        turns[candidate.option.upstream] = turn
    return turns


class _Rank:
    """The accounts of one rank: what they share, and whether the conversation has one of them."""

    def __init__(
        self, free: Sequence[Candidate], peers: Sequence[Candidate], session: str, *, kept: bool
    ) -> None:
        self.limit = share(peers)
        self.kept = kept
        self.turns = _turns(free, self.limit, session)
        self.latest = max((each.last_used for each in free if each.recent), default=0.0)


@implementer(ISelectionPolicy)
class Balance:
    """Own account if it is free and not hot, else another at once."""

    name = "Balance"
    sticky = True

    def select(self, candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return everybody who is free: fixed, own or last used, then the pool."""
        session = context.session
        free = [candidate for candidate in candidates if candidate.available]
        if len(free) < 2:
            return Selection(tuple(free))
        ranks: dict[int, _Rank] = {}
        for place in {candidate.place for candidate in free}:
            peers = _peers(candidates, place)
            kept = any(each.bound and self._keeps(each, peers) for each in peers)
            ranks[place] = _Rank([c for c in free if c.place == place], peers, session, kept=kept)

        def key(candidate: Candidate) -> tuple[Any, ...]:
            rank = ranks[candidate.place]
            own = candidate.bound and rank.kept
            last = candidate.recent and candidate.last_used == rank.latest
            last = last and not session and candidate.load + 1 <= rank.limit
            return (
                not candidate.fixed,
                candidate.place,
                not (own or last),
                rank.turns[candidate.option.upstream],
                *_pool_key(candidate, rank.limit, session),
            )

        return Selection(tuple(sorted(free, key=key)))

    def moves(
        self, bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return true unless the own account will soon serve again.

        Trouble that passes does not end a conversation's cache; being hot does.
        """
        if bound is None or bound.disabled or bound.protected:
            return True
        if is_hot(bound, _peers(candidates, bound.place)):
            return True
        return bound.locked_for > context.max_wait

    def _keeps(self, bound: Candidate, peers: Sequence[Candidate]) -> bool:
        return not is_hot(bound, peers)


@implementer(ISelectionPolicy)
class CacheFirst(Balance):
    """Own account, waited for up to ``max_wait``: its prompt cache is worth it."""

    name = "CacheFirst"

    def select(self, candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return nobody while waiting for the own account makes sense."""
        left = context.max_wait - context.waited
        own = min(
            (each for each in candidates if (each.fixed or each.bound) and each.eligible),
            key=lambda each: (not each.fixed, each.place),
            default=None,
        )
        if own is not None and left > 0 and not own.available and own.locked_for <= left:
            better = [each for each in candidates if each.available and each.place < own.place]
            if not better:
                return Selection(wait=left)
        return super().select(candidates, context)

    def moves(
        self, bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return true if the own account was waited for in vain, or would be."""
        if bound is None or bound.disabled or bound.protected:
            return True
        in_vain = context.waited >= context.max_wait and not bound.available
        return in_vain or bound.locked_for > context.max_wait

    def _keeps(self, bound: Candidate, peers: Sequence[Candidate]) -> bool:
        return True


@implementer(ISelectionPolicy)
class PerformanceFirst:
    """The account with the least to do; conversations belong to none."""

    name = "PerformanceFirst"
    sticky = False

    def select(self, candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return everybody who is free by load; among equals, who was idle for longest."""

        def key(candidate: Candidate) -> tuple[Any, ...]:
            return (
                not candidate.fixed,
                candidate.place,
                candidate.load,
                candidate.last_used,
                candidate.tier,
                -_quota_step(candidate),
                -weight(context.session, candidate.credential),
            )

        return Selection(tuple(sorted((c for c in candidates if c.available), key=key)))

    def moves(
        self, bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return false: there is nothing to move."""
        return False


#: The built-in policies by name.
POLICIES: Final[Mapping[str, Any]] = {
    policy.name: policy for policy in (CacheFirst(), Balance(), PerformanceFirst())
}
