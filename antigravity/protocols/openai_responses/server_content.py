"""Decodes the content parts of messages and tool outputs."""

from __future__ import annotations

import mimetypes
from typing import Final

from antigravity.ir.media import (
    FileReference,
    InlineData,
    MediaSource,
    UrlSource,
    kind_of,
    split_data_url,
)
from antigravity.ir.parts import Citation, Media, Text
from antigravity.protocols.json_body import bad_field
from antigravity.protocols.openai_responses.schema import (
    Annotation,
    AudioPart,
    FilePart,
    ImagePart,
    JsonObject,
    RefusalPart,
    TextPart,
    read,
    refuse,
    required,
)

#: The types of content parts in messages of any role.
PART_TYPES: Final = (
    "input_text",
    "input_image",
    "input_file",
    "input_audio",
    "output_text",
    "refusal",
)
_TEXT_TYPES: Final = frozenset(("input_text", "output_text", "text", "summary_text"))
_AUDIO_TYPES: Final = {"mp3": "audio/mpeg", "m4a": "audio/mp4"}


def decode_content(
    content: str | list[JsonObject] | None, path: str, before: int = 0
) -> tuple[Text | Media, ...]:
    """Return the parts of a message's content.

    ``before`` is the number of characters of the turn before this content: offsets of annotations
    begin at their part, those of citations at the turn.
    """
    if isinstance(content, str):
        return (Text(content),)
    return decode_parts(content or [], path, before)


def decode_parts(content: list[JsonObject], path: str, before: int = 0) -> tuple[Text | Media, ...]:
    """Return a list of content parts."""
    parts: list[Text | Media] = []
    for place, part in enumerate(content):
        decoded = _part(part, f"{path}[{place}]", before)
        if isinstance(decoded, Text):
            before += len(decoded.text)
        parts.append(decoded)
    return tuple(parts)


def _part(part: JsonObject, path: str, before: int) -> Text | Media:
    kind = part.get("type")
    if isinstance(kind, str) and kind in _TEXT_TYPES:
        text = read(part, TextPart, path)
        return Text(text.text, citations(text.annotations or (), before))
    match kind:
        case "refusal":
            return Text(read(part, RefusalPart, path).refusal)
        case "input_image" | "image_url":
            return _image(read(part, ImagePart, path), path)
        case "input_file":
            return _file(read(part, FilePart, path), path)
        case "input_audio":
            audio = read(part, AudioPart, path).input_audio
            name = audio.format.lower()
            mime_type = _AUDIO_TYPES.get(name, f"audio/{name}")
            return Media("audio", InlineData(audio.data), mime_type)
        case _:
            raise refuse(f"{path}.type", kind, PART_TYPES)


def citations(
    annotations: list[Annotation] | tuple[Annotation, ...], before: int
) -> tuple[Citation, ...]:
    """Return the web pages among a text's annotations, their offsets moved by ``before``."""
    return tuple(citation(each, before) for each in annotations if each.type == "url_citation")


def citation(wire: Annotation, before: int) -> Citation:
    """Return one annotation as a citation."""
    start, end = wire.start_index, wire.end_index
    return Citation(
        wire.url,
        wire.title or "",
        start=None if start is None else start + before,
        end=None if end is None else end + before,
    )


def _image(part: ImagePart, path: str) -> Media:
    url = part.image_url
    if not isinstance(url, str):
        nested = (url or {}).get("url")  # the format of chat completions
        url = nested if isinstance(nested, str) else None
    if url:
        mime_type, source = _source(url, f"{path}.image_url")
    elif part.file_id:
        mime_type, source = "", FileReference(part.file_id, "openai")
    else:
        raise required(f"{path}.image_url", "file_id")
    return Media("image", source, mime_type, detail=part.detail)


def _file(part: FilePart, path: str) -> Media:
    name = part.filename
    guessed = (name and mimetypes.guess_type(name)[0]) or ""
    source: MediaSource
    if part.file_data:
        data = split_data_url(part.file_data)
        mime_type = (data[0] if data else guessed) or "application/pdf"
        source = InlineData(data[1] if data else part.file_data)
    elif part.file_url:
        mime_type, source = _source(part.file_url, f"{path}.file_url")
        mime_type = mime_type or guessed
    elif part.file_id:
        mime_type, source = guessed, FileReference(part.file_id, "openai")
    else:
        raise required(f"{path}.file_data", "file_url", "file_id")
    kind = kind_of(mime_type) if mime_type else "document"
    return Media(kind, source, mime_type, title=name)


def _source(url: str, path: str) -> tuple[str, MediaSource]:
    data = split_data_url(url)
    if data is not None:
        return data[0], InlineData(data[1])
    if url[:8].lower().startswith(("http://", "https://")):
        return "", UrlSource(url)
    raise bad_field(path, "must be an http or https URL, or a base64 data URL")
