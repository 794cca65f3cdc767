"""Puts the media back into a request that was decoded from the outline of its body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from antigravity.ir.media import InlineData
from antigravity.ir.outline import Outline
from antigravity.ir.parts import Media, ToolResult
from antigravity.ir.request import Message, Request


def restore_media(request: Request, outline: Outline) -> Request | None:
    """Return the request that the body itself would be decoded to.

    Return ``None`` if that is not sure: the outline has shortened something that is not the data
    of media, or the data may be written in another way.
    """
    restorer = _Restorer(outline)
    messages = tuple(map(restorer.message, request.messages))
    return replace(request, messages=messages) if restorer.count == outline.count else None


class _Restorer:
    """Restores messages, and counts the strings that it has restored."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self.count = 0

    def message(self, message: Message) -> Message:
        before = self.count
        parts = self._parts(message.parts)
        return message if self.count == before else replace(message, parts=parts)

    def _parts(self, parts: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(
            self._part(part) if isinstance(part, Media | ToolResult) else part for part in parts
        )

    def _part(self, part: Media | ToolResult) -> Media | ToolResult:
        if isinstance(part, ToolResult):
            before = self.count
            parts = self._parts(part.parts)
            return part if self.count == before else replace(part, parts=parts)
        if not isinstance(part.source, InlineData):
            return part
        data = self._outline.restore_base64(part.source.data)
        if data is None:
            return part
        self.count += 1
        return replace(part, source=InlineData(data))
