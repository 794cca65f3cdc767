"""Decodes content: text and media."""

from __future__ import annotations

from typing import Final

from antigravity.ir.media import (
    FileReference,
    InlineData,
    MediaKind,
    MediaSource,
    UrlSource,
    split_data_url,
)
from antigravity.ir.parts import Citation, Media, Text
from antigravity.protocols.byte_offsets import ByteOffsets
from antigravity.protocols.gemini_base64 import to_standard
from antigravity.protocols.gemini_interactions.schema import (
    CONTENT_TYPES,
    Annotation,
    JsonObject,
    MediaContent,
    TextContent,
    read,
    refuse,
)
from antigravity.protocols.gemini_media import is_youtube
from antigravity.protocols.json_body import bad_field

#: The types of content that are media, which the representation names alike.
_KINDS: Final[dict[str, MediaKind]] = {
    "image": "image",
    "audio": "audio",
    "document": "document",
    "video": "video",
}

Content = str | JsonObject | list[str | JsonObject] | None


def decode_contents(content: Content, path: str, before: int = 0) -> tuple[Text | Media, ...]:
    """Return the parts of a content, or of a list of them.

    ``before`` is the number of characters of the turn before: offsets of annotations begin at
    their text, those of citations at the turn.
    """
    if content is None:
        return ()
    if not isinstance(content, list):
        return (decode_content(content, path, before),)
    parts: list[Text | Media] = []
    for place, each in enumerate(content):
        part = decode_content(each, f"{path}[{place}]", before)
        if isinstance(part, Text):
            before += len(part.text)
        parts.append(part)
    return tuple(parts)


def decode_content(content: str | JsonObject, path: str, before: int = 0) -> Text | Media:
    """Return the part of one content."""
    if isinstance(content, str):
        return Text(content)
    kind = content.get("type")
    if kind == "text" or (kind is None and "text" in content):
        text = read(content, TextContent, path)
        return Text(text.text, _citations(text, before))
    found = _KINDS.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise refuse(f"{path}.type", kind, CONTENT_TYPES)
    return _media(read(content, MediaContent, path), found, path)


def _media(wire: MediaContent, kind: MediaKind, path: str) -> Media:
    mime_type = wire.mime_type or ""
    source: MediaSource
    if wire.data:
        data = to_standard(wire.data)
        if not data:
            raise bad_field(f"{path}.data", "must be base64 text")
        if not mime_type:
            raise bad_field(f"{path}.mime_type", "is required")
        source = InlineData(data)
    elif wire.uri:
        inline = split_data_url(wire.uri)
        if inline is not None:
            mime_type, source = inline[0], InlineData(inline[1])
        else:
            source = _source(wire.uri)
    else:
        raise bad_field(f"{path}.data", "or `uri` is required")
    return Media(kind, source, mime_type, detail=wire.resolution, title=wire.name or None)


def _source(uri: str) -> MediaSource:
    """Return the source of a URI: one on the web, or a file that Google stores."""
    host = uri.partition("://")[2].partition("/")[0]
    is_google_file = host.endswith(".googleapis.com") and "/files/" in uri
    if is_youtube(uri):
        return FileReference(uri, "google")
    if uri[:8].lower().startswith(("http://", "https://")) and not is_google_file:
        return UrlSource(uri)
    return FileReference(uri, "google")


def _citations(wire: TextContent, before: int) -> tuple[Citation, ...]:
    """Return the web pages among the annotations of a text."""
    found = [each for each in wire.annotations or () if each.type == "url_citation" and each.url]
    if not found:
        return ()
    offsets = ByteOffsets(wire.text)
    return tuple(_citation(each, offsets, before) for each in found)


def _citation(wire: Annotation, offsets: ByteOffsets, before: int) -> Citation:
    start = _characters(offsets, wire.start_index, before)
    end = _characters(offsets, wire.end_index, before)
    return Citation(wire.url or "", wire.title or "", start=start, end=end)


def _characters(offsets: ByteOffsets, place: int | None, before: int) -> int | None:
    """Return an offset in bytes of a text as one in characters of the turn."""
    return None if place is None else before + offsets.to_characters(place)
