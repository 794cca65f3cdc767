"""Removes all signatures from a history, after an upstream has refused them.

Earlier thinking is removed.  If the model requires a signature on every tool call, calls and their
results become plain text.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from antigravity.ir.capabilities import Loss
from antigravity.ir.parts import Media, Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message, Request, ThinkingConfig

REPAIRED = Loss("messages", "the upstream refused the history's signatures: it was sent without")


def without_signatures(request: Request, *, demanded: bool, thinks: bool = False) -> Request:
    """Return the request without signatures and thinking in its history.

    ``demanded`` says that the model refuses calls without a signature; then calls and results
    become text.  Otherwise thinking is switched off, since it cannot continue, unless the model
    ``thinks`` without that of the history.
    """
    messages = tuple(
        message
        for message in (_strip(message, demanded=demanded) for message in request.messages)
        if message.parts
    )
    if demanded or thinks:
        return replace(request, messages=messages)
    return replace(request, messages=messages, thinking=ThinkingConfig("off"))


def _strip(message: Message, *, demanded: bool) -> Message:
    parts: list[Part] = []
    for part in message.parts:
        parts += _as_text(part) if demanded else _unsigned(part)
    return replace(message, parts=tuple(parts))


def _unsigned(part: Part) -> Iterator[Part]:
    match part:
        case Thinking():
            return
        case ToolCall() | Text() | Media():
            yield replace(part, signature=None) if part.signature is not None else part
        case _:
            yield part


def _as_text(part: Part) -> Iterator[Part]:
    """Yield a tool call or result as text."""
    match part:
        case ToolCall():
            yield Text(f"[The tool {part.name} was called with {part.arguments}]")
        case ToolResult():
            yield Text(f"[The tool {part.name or ''} {'failed' if part.is_error else 'answered'}:]")
            yield from part.parts
        case _:
            yield from _unsigned(part)
