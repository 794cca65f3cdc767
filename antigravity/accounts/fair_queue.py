"""A queue in which API keys and conversations take turns.  Pure.

Principals (the API keys of clients) take turns, and so do the conversations of one principal.
The requests of a conversation stay in order.  A served principal or conversation goes to the end,
so that its turn does not depend on how many requests others have in the queue.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Items by principal and conversation.  Items are compared by identity."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, dict[int, Item]]] = {}
        self._places: dict[int, tuple[str, str]] = {}
        self._sizes: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Item]:
        """Yield all items in turn.  Items can be removed during the iteration."""
        for item in list(_round_robin(map(_principal_items, self._lines.values()))):
            if id(item) in self._places:
                yield item

    def add(self, principal: str, conversation: str, item: Item) -> None:
        """Add an item after those of its conversation."""
        lines = self._lines.setdefault(principal, {})
        lines.setdefault(conversation, {})[id(item)] = item
        self._places[id(item)] = (principal, conversation)
        self._sizes[principal] += 1

    def remove(self, item: Item, *, served: bool = False) -> bool:
        """Remove an item; return whether it was in the queue.

        :param served: whether it was served in its turn; if not, its turn remains.
        """
        place = self._places.pop(id(item), None)
        if place is None:
            return False
        principal, conversation = place
        lines = self._lines[principal]
        line = lines[conversation]
        del line[id(item)]
        self._sizes[principal] -= 1
        if served:
            lines[conversation] = lines.pop(conversation)
            self._lines[principal] = self._lines.pop(principal)
        if not line:
            del lines[conversation]
        if not lines:
            del self._lines[principal], self._sizes[principal]
        return True

    def least_due(self, principal: str, conversation: str | None = None) -> Item | None:
        """Return the item to remove if a full queue must accept one of ``principal``.

        That is the last item of the principal with the most items, if those are more than
        ``principal`` would have.  Else, if ``conversation`` is given, it is the last item of the
        longest conversation of ``principal``, if that is longer than ``conversation`` would be.
        """
        if not self._sizes:
            return None
        most, size = max(self._sizes.items(), key=lambda entry: entry[1])
        if size > self._sizes.get(principal, 0) + 1:
            return deque(_principal_items(self._lines[most]), maxlen=1).pop()
        lines = {} if conversation is None else self._lines.get(principal, {})
        longest = max(lines.values(), key=len, default={})
        if len(longest) <= len(lines.get(conversation or "", ())) + 1:
            return None
        return deque(longest.values(), maxlen=1).pop()


def _principal_items(lines: dict[str, dict[int, Item]]) -> Iterator[Item]:
    return _round_robin(line.values() for line in lines.values())


def _round_robin(lines: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Yield one item of each line in turn until all are empty."""
    turns = deque(map(iter, lines))
    while turns:
        line = turns.popleft()
        for item in line:
            yield item
            turns.append(line)
            break
