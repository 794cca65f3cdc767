"""One tool call at a time, for targets that have no switch for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antigravity.ir.events import Event, ToolCallDelta, ToolCallEnd, ToolCallStart


class SingleToolCall:
    """Keeps the first tool call of each choice and drops the others."""

    handles: tuple[type[Any], ...] = (ToolCallStart, ToolCallDelta, ToolCallEnd)

    def __init__(self) -> None:
        self._allowed: dict[int, int] = {}

    def feed(self, event: Event) -> Sequence[Event]:
        """Return ``event`` if it belongs to the first call."""
        assert isinstance(event, ToolCallStart | ToolCallDelta | ToolCallEnd)
        first = self._allowed.setdefault(event.choice, event.call)
        return (event,) if event.call == first else ()

    def close(self) -> Sequence[Event]:
        """Return no events: none are held back."""
        return ()
