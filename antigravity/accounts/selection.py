"""The built-in selection policies.  Pure.

All of them follow the order of a request's upstream models and prefer the fixed account.  They
differ in how long they wait for the account that the session is bound to.

One rank can span several upstreams.  Since only some upstreams report tiers and quotas, these are
compared within an upstream only; between upstreams all accounts are equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from zope.interface import implementer

from antigravity.accounts.affinity import rendezvous_weight
from antigravity.interfaces.selection import (
    Candidate,
    ISelectionPolicy,
    Selection,
    SelectionContext,
)

#: Tiers of accounts, best first.  An unknown tier counts as the last.
TIERS: Final[Mapping[str, int]] = {"ULTRA": 0, "PRO": 1, "FREE": 2}
LAST_TIER: Final = max(TIERS.values())

#: Quotas are compared in steps of this size, so that load and affinity matter for similar ones.
_QUOTA_STEP: Final = 0.1
#: An account with fewer requests of other sessions is never overloaded.
OVERLOADED_AT_LEAST: Final = 4
#: How far above the average the load of a bound account may be.
_OVERLOADED_FACTOR: Final = 2.0
#: How far above the average the load of a session's preferred account may be.
_SHARE_FACTOR: Final = 1.25


def tier_rank(tier: str) -> int:
    """Return the rank of a tier, 0 for the best."""
    return TIERS.get(tier.upper(), LAST_TIER)


def fair_share(candidates: Sequence[Candidate]) -> float:
    """Return how many requests of other sessions an account may serve and still be preferred."""
    total = sum(candidate.load_of_others for candidate in candidates)
    return _SHARE_FACTOR * math.ceil((total + 1) / max(1, len(candidates)))


def is_overloaded(candidate: Candidate, among: Sequence[Candidate]) -> bool:
    """Return whether an account serves so many other sessions that this one should leave it.

    The parallel requests of the session itself do not count.
    """
    others = [each for each in among if each.credential != candidate.credential]
    if not others or candidate.load_of_others < OVERLOADED_AT_LEAST:
        return False
    average = sum(each.load for each in others) / len(others)
    return candidate.load_of_others > _OVERLOADED_FACTOR * (average + 1)


def hashed_choice(candidates: Sequence[Candidate], session: str) -> Candidate | None:
    """Return the candidate that every gateway chooses for a session while all are equally free.

    ``None`` if all are disabled.
    """
    usable = [each for each in candidates if not each.disabled]
    if not usable:
        return None
    first = max(usable, key=lambda each: rendezvous_weight(session, each.credential))
    peers = [
        each for each in usable if each.upstream_model.upstream == first.upstream_model.upstream
    ]
    return min(peers, key=lambda each: (each.tier, -rendezvous_weight(session, each.credential)))


def _peers(candidates: Sequence[Candidate], rank: int) -> list[Candidate]:
    """Return the unlocked accounts of one rank, including the busy ones."""
    return [
        each for each in candidates if each.rank == rank and each.eligible and each.locked_for <= 0
    ]


def _quota_step(candidate: Candidate) -> int:
    remaining = min(max(candidate.remaining, 0.0), 1.0)
    return math.floor(remaining / _QUOTA_STEP + 1e-9)


def _pool_key(candidate: Candidate, limit: float, session: str) -> tuple[Any, ...]:
    """Return the sort key of an account; within its fair share, a hash of the session decides."""
    load = candidate.load_of_others
    if session and load + 1 <= limit:
        load = 0
    used = 0.0 if session else candidate.last_used
    return (
        candidate.tier,
        -_quota_step(candidate),
        load,
        used,
        -rendezvous_weight(session, candidate.credential),
    )


def _upstream_keys(
    free: Sequence[Candidate], limit: float, session: str
) -> dict[str, tuple[Any, ...]]:
    """Return the sort key of each upstream among those of one rank.

    With a session a hash decides, so that the number of sessions of an upstream follows its number
    of accounts.  Without one, the upstream with the lowest load comes first, then the one that was
    used longest ago.
    """
    keys: dict[str, tuple[Any, ...]] = {}
    for candidate in free:
        load = candidate.load_of_others
        if session:
            hashed = -rendezvous_weight(session, candidate.credential)
            own = (load if load + 1 > limit else 0, hashed)
            key = min(own, keys.get(candidate.upstream_model.upstream, own))
        else:
            least, used = keys.get(candidate.upstream_model.upstream, (load, 0.0))
            key = (min(load, least), max(used, candidate.last_used))
        keys[candidate.upstream_model.upstream] = key
    return keys


class _Rank:
    """Figures of the accounts of one rank.

    ``keeps_binding`` says whether the session stays with its account of this rank.
    """

    def __init__(
        self,
        free: Sequence[Candidate],
        peers: Sequence[Candidate],
        session: str,
        *,
        keeps_binding: bool,
    ) -> None:
        self.limit = fair_share(peers)
        self.keeps_binding = keeps_binding
        self.upstream_keys = _upstream_keys(free, self.limit, session)
        self.latest = max((each.last_used for each in free if each.recent), default=0.0)


@implementer(ISelectionPolicy)
class Balance:
    """Uses the bound account if it is free and not overloaded, else another one at once."""

    name = "Balance"
    sticky = True

    def select(self, candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return the available accounts: the fixed one, the bound or recent one, then the rest."""
        session = context.session
        free = [candidate for candidate in candidates if candidate.available]
        if len(free) < 2:
            return Selection(tuple(free))
        ranks: dict[int, _Rank] = {}
        for number in {candidate.rank for candidate in free}:
            peers = _peers(candidates, number)
            keeps = any(each.bound and self._keeps_binding(each, peers) for each in peers)
            of_rank = [candidate for candidate in free if candidate.rank == number]
            ranks[number] = _Rank(of_rank, peers, session, keeps_binding=keeps)

        def key(candidate: Candidate) -> tuple[Any, ...]:
            rank = ranks[candidate.rank]
            own = candidate.bound and rank.keeps_binding
            last = candidate.recent and candidate.last_used == rank.latest
            last = last and not session and candidate.load + 1 <= rank.limit
            return (
                not candidate.fixed,
                candidate.rank,
                not (own or last),
                rank.upstream_keys[candidate.upstream_model.upstream],
                *_pool_key(candidate, rank.limit, session),
            )

        return Selection(tuple(sorted(free, key=key)))

    def moves(
        self, bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return whether the bound account is overloaded, or unusable for longer than a wait.

        A short lock does not move a session, because the account has its prompt cache.
        """
        if bound is None or bound.disabled or bound.protected:
            return True
        if is_overloaded(bound, _peers(candidates, bound.rank)):
            return True
        return bound.locked_for > context.max_wait

    def _keeps_binding(self, bound: Candidate, peers: Sequence[Candidate]) -> bool:
        return not is_overloaded(bound, peers)


@implementer(ISelectionPolicy)
class CacheFirst(Balance):
    """Waits up to ``max_wait`` for the bound account, since it has the session's prompt cache."""

    name = "CacheFirst"

    def select(self, candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return no candidate while the bound or fixed account is worth waiting for."""
        remaining = context.max_wait - context.waited
        own = min(
            (each for each in candidates if (each.fixed or each.bound) and each.eligible),
            key=lambda each: (not each.fixed, each.rank),
            default=None,
        )
        if (
            own is not None
            and remaining > 0
            and not own.available
            and own.locked_for <= remaining
            and not any(each.available and each.rank < own.rank for each in candidates)
        ):
            return Selection(wait=remaining)
        return super().select(candidates, context)

    def moves(
        self, bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return whether the wait for the bound account was, or would be, without success."""
        if bound is None or bound.disabled or bound.protected:
            return True
        timed_out = context.waited >= context.max_wait and not bound.available
        return timed_out or bound.locked_for > context.max_wait

    def _keeps_binding(self, bound: Candidate, peers: Sequence[Candidate]) -> bool:
        return True


@implementer(ISelectionPolicy)
class PerformanceFirst:
    """Uses the account with the lowest load; sessions are not bound."""

    name = "PerformanceFirst"
    sticky = False

    def select(self, candidates: Sequence[Candidate], context: SelectionContext) -> Selection:
        """Return the available accounts by load, then by the time of their last use."""

        def key(candidate: Candidate) -> tuple[Any, ...]:
            return (
                not candidate.fixed,
                candidate.rank,
                candidate.load,
                candidate.last_used,
                candidate.tier,
                -_quota_step(candidate),
                -rendezvous_weight(context.session, candidate.credential),
            )

        return Selection(tuple(sorted((c for c in candidates if c.available), key=key)))

    def moves(
        self, bound: Candidate | None, candidates: Sequence[Candidate], context: SelectionContext
    ) -> bool:
        """Return false: sessions are not bound."""
        return False


#: The built-in policies by name.
POLICIES: Final[Mapping[str, Any]] = {
    policy.name: policy for policy in (CacheFirst(), Balance(), PerformanceFirst())
}
