"""Features of a request that only some targets support."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from antigravity.ir.parts import Part, Text, ToolResult
from antigravity.ir.request import Request

#: The turns of the user that get a breakpoint.  Claude finds an earlier entry only within 20
#: blocks before a breakpoint, so the turn that was marked in the request before is marked again.
CACHED_USER_TURNS: Final = 2


def wants_cache_breakpoints(request: Request) -> bool:
    """Return whether Claude should cache the prompt although the request has no breakpoints.

    The provider of the client's protocol would cache it by itself, but Claude caches only up to a
    breakpoint, and writing costs more than plain input.  So a single question without tools gets
    none, and neither does a request with breakpoints of its own, or whose client has chosen to
    set them itself.
    """
    is_continued = bool(request.tools) or any(
        message.role == "assistant" for message in request.messages
    )
    return (
        is_continued
        and request.protocol != "anthropic"
        and not has_cache_breakpoints(request)
        and not _only_explicit(request)
    )


def _only_explicit(request: Request) -> bool:
    """Return whether a client of OpenAI has switched the automatic breakpoint off."""
    options = request.extensions.get("prompt_cache_options")
    return isinstance(options, dict) and options.get("mode") == "explicit"


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
