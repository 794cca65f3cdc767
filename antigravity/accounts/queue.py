"""Who waits for an account, in an order that is fair to every conversation: pure.

Each conversation has one request in each round.  One that asks a hundred times at once
waits for its own requests, not the others for them; and as a round that was begun takes no
newcomers, everybody's turn comes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Items by party, first come first served within each."""

    def __init__(self) -> None:
        self._order: list[tuple[int, int]] = []
        self._items: dict[tuple[int, int], tuple[str, Item]] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._rounds: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._round = 0
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Item]:
        """Yield all items, the next one first; removing some meanwhile does no harm."""
        for place in tuple(self._order):
            if place in self._items:
                yield self._items[place][1]

    def add(self, party: str, item: Item) -> None:
        """Add an item of a party at its place."""
        self._arrivals += 1
        turn = max(self._rounds.get(party, 0), self._round) + 1
        place = (turn, self._arrivals)
        self._rounds[party] = turn
        self._waiting[party] = self._waiting.get(party, 0) + 1
        insort(self._order, place)
        self._items[place] = (party, item)
        self._places[id(item)] = place

    def remove(self, item: Item, *, served: bool = False) -> bool:
        """Take an item out; return whether it was there.

        :param served: whether its turn had come, rather than that it left.
        """
        place = self._places.pop(id(item), None)
        if place is None:
            return False
        party, _ = self._items.pop(place)
        del self._order[bisect_left(self._order, place)]
        if served:
            self._round = max(self._round, place[0])
        self._waiting[party] -= 1
        if not self._waiting[party]:
            del self._waiting[party], self._rounds[party]
        return True
