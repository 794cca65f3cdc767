"""Summaries of compacted histories, which other protocols do not support."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity.ir.parts import Opaque, Part, Text
from antigravity.ir.request import Message, Request


def with_readable_summaries(request: Request) -> Request:
    """Return the request with readable summaries as text.

    Anthropic's ``compaction`` block replaces all turns before it.
    """
    if not any(_summary(part) for message in request.messages for part in message.parts):
        return request
    return replace(request, messages=tuple(map(_readable, request.messages)))


def _readable(message: Message) -> Message:
    parts: list[Part] = []
    for part in message.parts:
        text = _summary(part)
        parts.append(Text(text) if text else part)
    return replace(message, parts=tuple(parts))


def _summary(part: Part) -> str:
    if not isinstance(part, Opaque) or part.kind != "compaction":
        return ""
    content = part.wire.get("content")
    return content if isinstance(content, str) else ""
