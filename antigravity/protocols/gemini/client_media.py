"""Encodes media of a request as parts."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData, MediaKind
from antigravity.ir.parts import Media
from antigravity.protocols.gemini.youtube import is_youtube
from antigravity.protocols.losses import Losses

#: The first bytes of a file in base64.
_SIGNATURES: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi": "application/pdf",
}
_DEFAULT_TYPES: Final[dict[MediaKind, str]] = {
    "image": "image/png",
    "document": "application/pdf",
    "audio": "audio/wav",
    "video": "video/mp4",
}
#: Google's names of audio types; MP4 is sent as the codec inside it.
_AUDIO_TYPES: Final = {
    "audio/mpeg": "audio/mp3",
    "audio/x-mp3": "audio/mp3",
    "audio/mp4": "audio/aac",
    "audio/m4a": "audio/aac",
    "audio/x-m4a": "audio/aac",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-aiff": "audio/aiff",
}
_RESOLUTIONS: Final = {
    "low": "MEDIA_RESOLUTION_LOW",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "high": "MEDIA_RESOLUTION_HIGH",
    "ultra_high": "MEDIA_RESOLUTION_ULTRA_HIGH",
}


def media_fields(media: Media, param: str) -> dict[str, Any]:
    """Return ``inlineData`` or ``fileData`` for media.

    :raises InvalidRequestError: if Google cannot read it.
    """
    source = media.source
    if isinstance(source, InlineData):
        return {"inlineData": {"mimeType": _mime_type(media, source.data), "data": source.data}}
    if isinstance(source, FileReference):
        if source.provider != "google":
            raise InvalidRequestError(
                f"The file {source.id!r} is stored at {source.provider}, where this model cannot"
                " read it. Send its content instead.",
                param=param,
            )
        return _file(source.id, media.mime_type)
    if is_youtube(source.url) or source.url.startswith("gs://"):
        return _file(source.url, media.mime_type)
    raise InvalidRequestError(
        f"This model cannot fetch {source.url!r}. Send the file's content instead.", param=param
    )


def media_part(
    media: Media, capabilities: Capabilities, losses: Losses, param: str
) -> dict[str, Any]:
    """Return a part for media.

    :raises InvalidRequestError: if Google cannot read it.
    """
    part = media_fields(media, param)
    if media.title or media.context:
        detail = "titles and context of media were dropped"
        losses.add("messages", detail, content=bool(media.context))
    if media.detail in _RESOLUTIONS:
        if capabilities.media_resolution:
            part["mediaResolution"] = {"level": _RESOLUTIONS[media.detail]}
        else:
            losses.add(
                "messages", "the model does not accept a media resolution; detail was dropped"
            )
    return part


def _file(uri: str, mime_type: str) -> dict[str, Any]:
    known = {"mimeType": mime_type} if mime_type else {}
    return {"fileData": {**known, "fileUri": uri}}


def _mime_type(media: Media, data: str) -> str:
    """Return the MIME type; if none is given, guess it from the first bytes or the kind."""
    if media.mime_type:
        return _AUDIO_TYPES.get(media.mime_type, media.mime_type)
    for beginning, mime_type in _SIGNATURES.items():
        if data.startswith(beginning):
            return mime_type
    return _DEFAULT_TYPES[media.kind]
