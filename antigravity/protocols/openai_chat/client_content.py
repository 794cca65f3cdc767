"""Encodes content parts: text and media."""

from __future__ import annotations

import base64
from typing import Any, Final

from antigravity.ir.capabilities import Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData, UrlSource, data_url
from antigravity.ir.parts import CacheControl, Media, Text
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_chat.audio_formats import audio_format

_PLAIN: Final = {"type", "text"}


class ContentWriter:
    """Encoder of parts for one target; it reports losses."""

    def __init__(self, target: Target, losses: Losses) -> None:
        self.losses = losses
        self._cache = target.accepts("cache_control")
        self._text_parts = target.accepts(
            "text_parts", usual=target.capabilities.family == "openai"
        )

    def content(self, parts: list[Text | Media]) -> str | list[dict[str, Any]]:
        """Return the content of a message: a string if it is plain text, else a list of parts."""
        wire = [self.part(part) for part in parts]
        if not wire:
            return ""
        plain = all(set(each) == _PLAIN for each in wire)
        if plain and (len(wire) == 1 or not self._text_parts):
            return "\n\n".join(each["text"] for each in wire)
        return wire

    def part(self, part: Text | Media) -> dict[str, Any]:
        """Return one content part."""
        if isinstance(part, Text):
            if part.signature is not None:
                self.drop_signature()
            if part.citations:
                self.losses.add("messages.citations", "dropped: this protocol has no such field")
            wire: dict[str, Any] = {"type": "text", "text": part.text}
        else:
            wire = self._media(part)
        return self.cached(wire, part.cache)

    def cached(self, wire: dict[str, Any], cache: CacheControl | None) -> dict[str, Any]:
        """Add a cache breakpoint if the target accepts them."""
        if cache is None:
            return wire
        if not self._cache:
            self.losses.add("cache", "dropped: the target accepts no cache breakpoints")
            return wire
        mark = (
            {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}
        )
        return {**wire, "cache_control": mark}

    def drop_signature(self) -> None:
        """Report that a thought signature cannot be sent."""
        detail = "dropped: it is of another model family, or has no field here"
        self.losses.add("messages.signature", detail)

    def _media(self, media: Media) -> dict[str, Any]:
        if media.signature is not None:
            self.drop_signature()
        if media.context is not None:
            detail = "dropped: this protocol has no such field"
            self.losses.add("messages.media.context", detail, content=True)
        match media.kind, media.source:
            case "image" | "video" as kind, (InlineData() | UrlSource()) as source:
                return self._visual(kind, source, media)
            case "audio", InlineData(data=data):
                wire_format = audio_format(media.mime_type)
                return {"type": "input_audio", "input_audio": {"data": data, "format": wire_format}}
            case "document", InlineData(data=data):
                return self._document(media, data)
            case _, FileReference(id=file_id, provider="openai"):
                named = {} if media.title is None else {"filename": media.title}
                return {"type": "file", "file": {"file_id": file_id, **named}}
            case kind, FileReference(id=url, provider="google") if "://" in url:
                return self._visual(kind, UrlSource(url), media)
            case kind, source:
                raise InvalidRequestError(
                    f"The target does not accept {kind} as {_SOURCES[type(source)]}; send data.",
                    code="unsupported_media",
                )

    def _visual(self, kind: str, source: InlineData | UrlSource, media: Media) -> dict[str, Any]:
        url = (
            source.url
            if isinstance(source, UrlSource)
            else data_url(media.mime_type or "application/octet-stream", source.data)
        )
        name = "video_url" if kind == "video" else "image_url"
        wire: dict[str, Any] = {"url": url}
        if media.detail is not None:
            wire["detail"] = media.detail
        return {"type": name, name: wire}

    def _document(self, media: Media, data: str) -> dict[str, Any]:
        """Return a document: text as a text part, because the only files that chat has are PDF."""
        text = _plain_text(media.mime_type, data)
        if text is not None:
            self.losses.add("messages.media.document", "sent as text")
            return {"type": "text", "text": f"{media.title}:\n{text}" if media.title else text}
        mime_type = media.mime_type or "application/pdf"
        title = media.title or f"document.{mime_type.partition('/')[2]}"
        return {"type": "file", "file": {"filename": title, "file_data": data_url(mime_type, data)}}


_SOURCES: Final[dict[type, str]] = {
    InlineData: "inline data",
    UrlSource: "a URL",
    FileReference: "a file of another provider",
}


def _plain_text(mime_type: str, data: str) -> str | None:
    if not mime_type.startswith("text/"):
        return None
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:  # not text after all
        return None
