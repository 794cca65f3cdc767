"""Encodes content parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData, UrlSource, data_url
from antigravity.ir.parts import Citation, Media, Text
from antigravity.protocols.openai_responses.schema import JsonObject, without_nulls

#: The protocol's names of the audio formats that it accepts, by MIME type.
AUDIO_FORMATS: Final = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
}
_EXTENSIONS: Final = {"application/pdf": ".pdf", "text/plain": ".txt", "text/markdown": ".md"}


def input_part(part: Text | Media) -> JsonObject:
    """Return a part of a user message or of a tool output.

    :raises InvalidRequestError: for media that the protocol does not support.
    """
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    match part.kind:
        case "image":
            return _image(part)
        case "audio":
            return _audio(part)
        case "video":
            raise InvalidRequestError("Models of this protocol do not accept video.")
        case "document":
            return _file(part)


def tool_output(parts: Sequence[Text | Media]) -> str | list[JsonObject]:
    """Return a tool output: a string if it is one text, else a list of parts."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [input_part(part) for part in parts]


def output_text(part: Text, before: int) -> JsonObject:
    """Return a text of the assistant that begins ``before`` characters into its turn."""
    fields: JsonObject = {"type": "output_text", "text": part.text}
    annotations = [_annotation(citation, before, len(part.text)) for citation in part.citations]
    if annotations:
        fields["annotations"] = annotations
    return fields


def _annotation(citation: Citation, before: int, length: int) -> JsonObject:
    start = length if citation.start is None else citation.start - before
    end = start if citation.end is None else citation.end - before
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title,
        "start_index": max(0, start),
        "end_index": max(0, end),
    }


def _reference(source: FileReference) -> str:
    if source.provider != "openai":
        raise InvalidRequestError(
            f"A file stored at {source.provider} cannot be sent to this model: send its data."
        )
    return source.id


def _image(part: Media) -> JsonObject:
    fields: JsonObject = {"type": "input_image", "detail": part.detail or "auto"}
    match part.source:
        case InlineData(data=data):
            fields["image_url"] = data_url(part.mime_type or "image/png", data)
        case UrlSource(url=url):
            fields["image_url"] = url
        case FileReference():
            fields["file_id"] = _reference(part.source)
    return fields


def _file(part: Media) -> JsonObject:
    fields: JsonObject = {"type": "input_file", "filename": part.title}
    match part.source:
        case InlineData(data=data):
            mime_type = part.mime_type or "application/pdf"
            fields["file_data"] = data_url(mime_type, data)
            fields["filename"] = part.title or f"document{_EXTENSIONS.get(mime_type, '')}"
        case UrlSource(url=url):
            fields["file_url"] = url
            del fields["filename"]  # refused beside a URL
        case FileReference():
            fields["file_id"] = _reference(part.source)
    return without_nulls(fields)


def _audio(part: Media) -> JsonObject:
    audio_format = AUDIO_FORMATS.get(part.mime_type.lower())
    if audio_format is None or not isinstance(part.source, InlineData):
        raise InvalidRequestError(
            "Audio for this model must be mp3 or wav, sent as data "
            f"(found {part.mime_type or 'no MIME type'})."
        )
    return {
        "type": "input_audio",
        "input_audio": {"data": part.source.data, "format": audio_format},
    }
