"""Ids of calls in a history: Gemini clients often omit them, other protocols need them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class _Call:
    """A call; ``open`` until its response is found."""

    __slots__ = ("id", "open")

    def __init__(self, identity: str) -> None:
        self.id = identity
        self.open = True


class _OpenCalls:
    """Open calls by a key; of each key those of the latest turn first, in their order.

    A history may have any number of calls without a response, so none is looked at twice.
    """

    def __init__(self) -> None:
        self._turns: dict[str, list[tuple[int, deque[_Call]]]] = {}

    def add(self, key: str, turn: int, call: _Call) -> None:
        """Add a call of the latest turn."""
        turns = self._turns.setdefault(key, [])
        if not turns or turns[-1][0] != turn:
            turns.append((turn, deque()))
        turns[-1][1].append(call)

    def take(self, key: str) -> _Call | None:
        """Close and return the first open call with a key, if there is one."""
        turns = self._turns.get(key, [])
        while turns:
            calls = turns[-1][1]
            while calls:
                call = calls.popleft()
                if call.open:
                    call.open = False
                    return call
            turns.pop()
        return None


class CallIds:
    """The ids of the calls in one history.

    Generated ids are ``call_<name>_<n>``, always the same for the same history.
    """

    def __init__(self, given: Iterable[str]) -> None:
        self._used = set(given)
        self._counts: dict[str, int] = {}
        self._turn = 0
        self._by_name = _OpenCalls()
        self._by_id = _OpenCalls()

    def begin_turn(self) -> None:
        """Begin a model turn: responses match its calls before older ones."""
        self._turn += 1

    def add_call(self, name: str, given: str) -> str:
        """Return the id of a call."""
        call = _Call(given or self._make(name))
        self._by_name.add(name, self._turn, call)
        self._by_id.add(call.id, self._turn, call)
        return call.id

    def match_response(self, name: str, given: str) -> str:
        """Return the id of the call that a response belongs to.

        That is the call with its id, else the first open call of its name, latest turn first.
        """
        call = (given and self._by_id.take(given)) or self._by_name.take(name)
        return call.id if call else given or self._make(name)

    def _make(self, name: str) -> str:
        while True:
            number = self._counts[name] = self._counts.get(name, 0) + 1
            identity = f"call_{name}_{number}"
            if identity not in self._used:
                self._used.add(identity)
                return identity
