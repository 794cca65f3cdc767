"""What the steps of a response share while they are decoded."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from antigravity.ir.events import Event, TextDelta, WebSearchEvent
from antigravity.ir.parts import WebSearch
from antigravity.protocols.gemini_interactions.schema import JsonObject

Emit = Callable[[Event], None]


class OutputState:
    """The state of one interaction.

    :param own: whether the client speaks the protocol, and gets steps that only it has.
    :ivar called: whether there was a call of a function.
    :ivar characters: of text so far.
    :ivar searches: those that wait for their results.
    """

    def __init__(self, emit: Emit, *, own: bool) -> None:
        self.own = own
        self.called = False
        self.emit = emit
        self.characters = 0
        self.searches: dict[str, WebSearch] = {}
        self._calls = 0
        self._ids: set[str] = set()

    def text(self, text: str) -> None:
        """Report text that is not the model's own."""
        if text:
            self.characters += len(text)
            self.emit(TextDelta(text))

    def report_searches(self) -> None:
        """Report the searches whose results do not follow."""
        searches, self.searches = self.searches, {}
        for search in searches.values():
            self.emit(WebSearchEvent(search))

    def next_call(self, given: Any) -> tuple[int, str]:
        """Return the number and the id of a call of a function."""
        self.called = True
        identity = given if isinstance(given, str) else ""
        while not identity or identity in self._ids:
            identity = f"call_{secrets.token_hex(12)}"
        self._ids.add(identity)
        self._calls += 1
        return self._calls - 1, identity


class ResponseStep(ABC):
    """A step that has begun."""

    def __init__(self, output: OutputState, step: JsonObject) -> None:
        self._output = output
        self._emit = output.emit

    @abstractmethod
    def delta(self, delta: JsonObject) -> None:
        """Add a piece."""

    def stop(self) -> None:  # noqa: B027 - most steps need nothing more
        """End the step."""


def objects(value: Any) -> list[JsonObject]:
    """Return the objects in a list, none if it is not one."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
