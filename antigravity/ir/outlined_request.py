"""Requests that are decoded and encoded without the data of their media."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    restored, count = _replace_data(request, lambda media, data: outline.restore_base64(data))
    return restored if count == outline.count else None


def shorten_images(request: Request, outline: Outline) -> tuple[Request, int]:
    """Return the request with the images that were restored as in the outline, and their number.

    :meth:`Outline.restore` makes of its encoded form that of the request, if the encoder moves
    the data of images.
    """

    def shorten(media: Media, data: str) -> str | None:
        return outline.shorten(data) if media.kind == "image" else None

    return _replace_data(request, shorten)


#: Returns the data that replaces a medium's, ``None`` if it stays.
Change = Callable[[Media, str], str | None]


def _replace_data(request: Request, change: Change) -> tuple[Request, int]:
    """Return the request with other data of its media, and how many were replaced."""
    replacer = _Replacer(change)
    messages = tuple(map(replacer.message, request.messages))
    return replace(request, messages=messages) if replacer.count else request, replacer.count


class _Replacer:
    """Replaces the data of media in messages, and counts them."""

    def __init__(self, change: Change) -> None:
        self._change = change
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
        data = self._change(part, part.source.data)
        if data is None:
            return part
        self.count += 1
        return replace(part, source=InlineData(data))
