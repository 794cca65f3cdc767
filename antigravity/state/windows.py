"""Windows and slots, by a clock.  Pure: the same rules that the scripts of Redis have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from antigravity.interfaces.state import WINDOW_PARTS, ClaimState, SlotClaim, WindowClaim


class Window:
    """What was claimed in a window: sums of its parts."""

    __slots__ = ("expires", "parts")

    def __init__(self) -> None:
        self.parts: dict[int, int] = {}
        self.expires = 0.0

    def look(self, claim: WindowClaim, now: float) -> ClaimState:
        """Return what a claim finds, before it counts."""
        step = claim.period / WINDOW_PARTS
        place = int(now // step)
        for part in [part for part in self.parts if part < place - WINDOW_PARTS]:
            del self.parts[part]
        used = sum(self.parts.values())
        return ClaimState(used, self._retry_in(claim, used, step, now), place)

    def add(self, place: int, amount: int, period: float, now: float) -> None:
        """Count an amount in a part, if that has not expired."""
        step = period / WINDOW_PARTS
        if place < int(now // step) - WINDOW_PARTS:
            return
        self.parts[place] = max(0, self.parts.get(place, 0) + amount)
        self.expires = max(self.expires, (place + WINDOW_PARTS + 1) * step)

    def _retry_in(self, claim: WindowClaim, used: int, step: float, now: float) -> float:
        excess = used + claim.amount - claim.limit
        if excess <= 0:
            return 0.0
        for part in sorted(self.parts):
            excess -= self.parts[part]
            if excess <= 0:
                return (part + WINDOW_PARTS + 1) * step - now
        return claim.period * (WINDOW_PARTS + 1) / WINDOW_PARTS  # it is larger than the limit


class Slots:
    """Who holds slots, and until when."""

    __slots__ = ("holders",)

    def __init__(self) -> None:
        self.holders: dict[str, float] = {}

    @property
    def expires(self) -> float:
        """When the last one is free again."""
        return max(self.holders.values(), default=0.0)

    def look(self, claim: SlotClaim, now: float) -> ClaimState:
        """Return what a claim finds, before it counts."""
        for holder in [holder for holder, end in self.holders.items() if end <= now]:
            del self.holders[holder]
        used = len(self.holders)
        if claim.holder in self.holders:
            return ClaimState(used - 1, 0.0)
        if used < claim.limit:
            return ClaimState(used, 0.0)
        first = min(self.holders.values(), default=now + claim.ttl)
        return ClaimState(used, first - now)


def renewing_claims(slots: Sequence[SlotClaim], limit: int) -> list[list[SlotClaim]]:
    """Return claims that renew slots, in as few lists without a key twice as possible.

    :param limit: that of the claims, so high that all are granted.
    """
    rounds: list[dict[str, SlotClaim]] = []
    places: Counter[str] = Counter()
    for each in slots:
        place = places[each.key]
        places[each.key] += 1
        if place == len(rounds):
            rounds.append({})
        rounds[place][each.key] = replace(each, limit=limit)
    return [list(claims.values()) for claims in rounds]
