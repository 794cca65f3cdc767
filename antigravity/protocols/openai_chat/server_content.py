"""Decodes the content of messages: text and media."""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from antigravity.ir.media import (
    FileReference,
    InlineData,
    MediaKind,
    MediaSource,
    UrlSource,
    kind_of,
    split_data_url,
)
from antigravity.ir.parts import CacheControl, Media, Text
from antigravity.protocols.json_body import bad_field
from antigravity.protocols.openai_chat.audio_formats import audio_type
from antigravity.protocols.openai_chat.schema import (
    AudioPart,
    Content,
    ContentPart,
    FileData,
    FilePart,
    ImagePart,
    MediaUrl,
    RefusalPart,
    TextPart,
    VideoPart,
)

_FILE_TYPES: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
}
_GOOGLE_FILES: Final = ("gs://", "https://generativelanguage.googleapis.com/")
_URL_SAFE: Final = str.maketrans("-_", "+/", "\r\n\t ")


def texts_and_media(content: Content | None, at: str) -> tuple[Text | Media, ...]:
    """Return the parts of a message's content; ``at`` is the path of the content."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(part, f"{at}[{place}]") for place, part in enumerate(content))


def texts(content: Content, at: str) -> tuple[Text, ...]:
    """Return the parts of a message whose content must be text.

    :raises InvalidRequestError: if there are parts of another type.
    """
    parts = texts_and_media(content, at)
    for place, part in enumerate(parts):
        if not isinstance(part, Text):
            raise bad_field(f"{at}[{place}].type", "is invalid for this role", ("text",))
    return parts  # type: ignore[return-value]


def cache_control(value: Any) -> CacheControl | None:
    """Return the cache breakpoint in a ``cache_control`` member, if it is valid."""
    if not isinstance(value, dict):
        return None
    ttl = value.get("ttl")
    return CacheControl(ttl if isinstance(ttl, str) else None)


def _part(part: ContentPart, at: str) -> Text | Media:
    match part:
        case TextPart():
            return Text(part.text, cache=cache_control(part.cache_control))
        case RefusalPart():
            return Text(part.refusal)
        case ImagePart():
            return _from_url(part.image_url, "image", f"{at}.image_url", part.cache_control)
        case VideoPart():
            return _from_url(part.video_url, "video", f"{at}.video_url", part.cache_control)
        case AudioPart():
            return _audio(part, f"{at}.input_audio")
        case FilePart():
            return _file(part.file, f"{at}.file", part.cache_control)


def _from_url(value: MediaUrl | str, kind: MediaKind, at: str, cache: Any) -> Media:
    wire = MediaUrl(value) if isinstance(value, str) else value
    path = at if isinstance(value, str) else f"{at}.url"
    mime_type, source = _source(wire.url, path)
    return Media(
        kind_of(mime_type) if mime_type else kind,
        source,
        mime_type,
        detail=wire.detail,
        cache=cache_control(cache),
    )


def _source(url: str, at: str) -> tuple[str, MediaSource]:
    """Return the MIME type of a URL, empty if it is not known, and its source."""
    if url[:5].lower() == "data:":
        return _inline(url, at)
    if url.startswith(_GOOGLE_FILES):
        return "", FileReference(url, "google")
    if url[:8].lower().startswith(("http://", "https://")):
        return "", UrlSource(url)
    raise bad_field(at, "must be an http or https URL, or a base64 data URL")


def _inline(url: str, at: str) -> tuple[str, InlineData]:
    split = split_data_url(url)
    if split is not None:
        return split[0], InlineData(_base64(split[1], at))
    head, comma, text = url[5:].partition(",")
    if not comma:
        raise bad_field(at, "is a data URL without a comma")
    data = base64.b64encode(unquote_to_bytes(text)).decode("ascii")
    return head.partition(";")[0].strip().lower() or "text/plain", InlineData(data)


def _base64(text: str, at: str) -> str:
    """Return base64 text in the standard alphabet, padded and without white space."""
    if not text.isascii():
        raise bad_field(at, "is not valid base64")
    if "-" in text or "_" in text or any(space in text for space in "\r\n\t "):
        text = text.translate(_URL_SAFE)
    remainder = len(text) % 4
    if not text or remainder == 1:
        raise bad_field(at, "is not valid base64" if text else "must not be empty")
    return text + "=" * (4 - remainder) if remainder else text


def _audio(part: AudioPart, at: str) -> Media:
    wire = part.input_audio
    split = split_data_url(wire.data)
    mime_type, data = split or (audio_type(wire.format), wire.data)
    source = InlineData(_base64(data, f"{at}.data"))
    return Media("audio", source, mime_type, cache=cache_control(part.cache_control))


def _file(wire: FileData, at: str, cache: Any) -> Media:
    source: MediaSource
    if wire.file_data:
        if ":" in wire.file_data[:12]:
            mime_type, source = _source(wire.file_data, f"{at}.file_data")
        else:
            ending = (wire.filename or "").rpartition(".")[2].lower()
            mime_type = _FILE_TYPES.get(ending, "application/pdf")
            source = InlineData(_base64(wire.file_data, f"{at}.file_data"))
    elif wire.file_id:
        mime_type, source = "", FileReference(wire.file_id, "openai")
    else:
        raise bad_field(at, "must hold `file_data` or `file_id`")
    return Media(
        kind_of(mime_type) if mime_type else "document",
        source,
        mime_type,
        title=wire.filename,
        cache=cache_control(cache),
    )
