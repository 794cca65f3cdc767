"""Events of a stream and their framing; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from antigravity.simulator.errors import ApiError
from antigravity.simulator.script import Script
from antigravity.simulator.view import View, compact


@dataclass(frozen=True)
class Event:
    """One event of a stream; ``content`` marks a chunk that directives count."""

    value: Any
    name: str = ""
    content: bool = False


@dataclass(frozen=True)
class Context:
    """What an encoder needs beside the script: the view, a number for ids, and the time."""

    view: View
    number: int
    created: int

    def id(self, prefix: str, index: int = 0) -> str:
        """Return an id that is unique among the responses of this simulator."""
        return f"{prefix}sim{self.number:08d}{index:02d}"


#: Turns events into bytes, with their content flag.
Framing = Callable[[Iterable[Event]], Iterator[tuple[bytes, bool]]]
EventEncoder = Callable[[Script, Context], Iterator[Event]]
ErrorEncoder = Callable[[ApiError, int], list[Event]]


def text_of(value: Any) -> str:
    """Return a value as JSON; texts are returned as they are."""
    return value if isinstance(value, str) else compact(value)


def sse(events: Iterable[Event]) -> Iterator[tuple[bytes, bool]]:
    """Frame as server-sent events, named where they have a name."""
    for event in events:
        name = f"event: {event.name}\n" if event.name else ""
        yield f"{name}data: {text_of(event.value)}\n\n".encode(), event.content


def google_sse(events: Iterable[Event]) -> Iterator[tuple[bytes, bool]]:
    """Frame as Google does: the same with CRLF."""
    for event in events:
        yield f"data: {text_of(event.value)}\r\n\r\n".encode(), event.content


def json_array(events: Iterable[Event]) -> Iterator[tuple[bytes, bool]]:
    """Frame as one JSON array, an element at a time."""
    opening = "["
    for event in events:
        yield f"{opening}{text_of(event.value)}".encode(), event.content
        opening = ",\r\n"
    yield b"]" if opening != "[" else b"[]", False
