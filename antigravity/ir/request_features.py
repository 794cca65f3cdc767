"""Features of a request that only some targets support."""

from __future__ import annotations

from collections.abc import Iterator

from antigravity.ir.parts import Part, Text, ToolResult
from antigravity.ir.request import Request


def has_cache_breakpoints(request: Request) -> bool:
    """Return whether anything in the request carries a prompt-cache breakpoint."""
    marked: tuple[object, ...] = (*request.system, *request.tools)
    if any(getattr(each, "cache", None) is not None for each in marked):
        return True
    return any(getattr(part, "cache", None) is not None for part in _parts(request))


def has_citations(request: Request) -> bool:
    """Return whether a text of the history carries citations."""
    return any(isinstance(part, Text) and part.citations for part in _parts(request))


def _parts(request: Request) -> Iterator[Part]:
    for message in request.messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.parts
