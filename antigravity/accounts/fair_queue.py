"""Who waits for an account, in an order that is fair to everybody: pure.

Principals (the API keys of clients) take turns, and within one its conversations do; a
conversation's requests are served as they came.  Whoever was served goes to the end of the
line, so nobody's turn depends on how much others have waiting.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Items by principal and session.  An item is known by its identity."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, dict[int, Item]]] = {}
        self._places: dict[int, tuple[str, str]] = {}
        self._sizes: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Item]:
        """Yield all items, the next one first; removing some meanwhile does no harm."""
        for item in list(_in_turn(map(_of_principal, self._lines.values()))):
            if id(item) in self._places:
                yield item

    def add(self, principal: str, session: str, item: Item) -> None:
        """Add an item behind those of its session."""
        lines = self._lines.setdefault(principal, {})
        lines.setdefault(session, {})[id(item)] = item
        self._places[id(item)] = (principal, session)
        self._sizes[principal] += 1

    def remove(self, item: Item, *, served: bool = False) -> bool:
        """Take an item out; return whether it was there.

        :param served: whether its turn had come, rather than that it left.
        """
        place = self._places.pop(id(item), None)
        if place is None:
            return False
        principal, session = place
        lines = self._lines[principal]
        line = lines[session]
        del line[id(item)]
        self._sizes[principal] -= 1
        if served:
            lines[session] = lines.pop(session)
            self._lines[principal] = self._lines.pop(principal)
        if not line:
            del lines[session]
        if not lines:
            del self._lines[principal], self._sizes[principal]
        return True

    def least_due(self, principal: str, session: str | None = None) -> Item | None:
        """Return the item that should make room for another one, if one should.

        It is the last in turn of the principal who has most here, if that is more than
        ``principal`` would have; else, if ``session`` is given, the last one of the conversation of
        ``principal`` that has most, if that is more than ``session`` would have.
        """
        if not self._sizes:
            return None
        most, size = max(self._sizes.items(), key=lambda entry: entry[1])
        if size > self._sizes.get(principal, 0) + 1:
            return deque(_of_principal(self._lines[most]), maxlen=1).pop()
        lines = {} if session is None else self._lines.get(principal, {})
        longest = max(lines.values(), key=len, default={})
        if len(longest) <= len(lines.get(session or "", ())) + 1:
            return None
        return deque(longest.values(), maxlen=1).pop()


def _of_principal(lines: dict[str, dict[int, Item]]) -> Iterator[Item]:
    return _in_turn(line.values() for line in lines.values())


def _in_turn(lines: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Yield one of each line, then another one of each, until all are empty."""
    turns = deque(map(iter, lines))
    while turns:
        line = turns.popleft()
        for item in line:
            yield item
            turns.append(line)
            break
