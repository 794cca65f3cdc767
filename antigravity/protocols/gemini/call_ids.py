"""Ids of calls in a history: Gemini clients often omit them, other protocols need them."""

from __future__ import annotations

from collections.abc import Iterable


class CallIds:
    """The ids of the calls in one history.

    Generated ids are ``call_<name>_<n>``, always the same for the same history.
    """

    def __init__(self, given: Iterable[str]) -> None:
        self._used = set(given)
        self._counts: dict[str, int] = {}
        self._turns: list[list[tuple[str, str]]] = []  # (name, id) of open calls, by model turn

    def begin_turn(self) -> None:
        """Begin a model turn: responses match its calls before older ones."""
        self._turns.append([])

    def add_call(self, name: str, given: str) -> str:
        """Return the id of a call."""
        identity = given or self._make(name)
        if not self._turns:
            self.begin_turn()
        self._turns[-1].append((name, identity))
        return identity

    def match_response(self, name: str, given: str) -> str:
        """Return the id of the call that a response belongs to.

        That is the call with its id, else the first open call of its name, latest turn first.
        """
        for turn in reversed(self._turns):
            for call in turn:
                if given and call[1] == given:
                    turn.remove(call)
                    return given
        for turn in reversed(self._turns):
            for call in turn:
                if call[0] == name:
                    turn.remove(call)
                    return call[1]
        return given or self._make(name)

    def _make(self, name: str) -> str:
        while True:
            number = self._counts[name] = self._counts.get(name, 0) + 1
            identity = f"call_{name}_{number}"
            if identity not in self._used:
                self._used.add(identity)
                return identity
