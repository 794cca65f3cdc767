"""Events of several answers become the events of one with several choices.  Sans-IO."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.events import (
    Event,
    ResponseStart,
    StreamFailure,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
)


class Merged:
    """Numbers choices and calls anew, and writes what the encoder makes of them.

    The first answer that begins names the whole.
    """

    def __init__(self, encoder: IStreamEncoder, write: Callable[[bytes], None]) -> None:
        self._encoder = encoder
        self._write = write
        self._calls: dict[tuple[int, int], int] = {}
        self._started = False

    def take(self, event: Event, first: int) -> None:
        """Take an event of the answer whose choices come from ``first`` on."""
        match event:
            case ResponseStart():
                if self._started:
                    return
                self._started = True
            case UsageUpdate() | StreamFailure():
                raise ValueError("this is about all answers, not about one")
            case ToolCallStart() | ToolCallDelta() | ToolCallEnd():
                call = self._calls.setdefault((first, event.call), len(self._calls))
                event = replace(event, choice=first + event.choice, call=call)
            case _:
                event = replace(event, choice=first + event.choice)
        self._write(self._encoder.encode(event))
