"""Media as Google's protocols name them: MIME types, and URIs that Google reads itself."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData, MediaKind
from antigravity.ir.parts import Media

_YOUTUBE_HOSTS: Final = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})
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


def is_youtube(url: str) -> bool:
    """Return whether ``url`` is that of a YouTube video."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and (parts.hostname or "") in _YOUTUBE_HOSTS
    except ValueError:
        return False


def google_mime_type(media: Media) -> str:
    """Return the MIME type of inline media in Google's spelling.

    If none is given, it is guessed from the first bytes or the kind.
    """
    if media.mime_type:
        return _AUDIO_TYPES.get(media.mime_type, media.mime_type)
    data = media.source.data if isinstance(media.source, InlineData) else ""
    for beginning, mime_type in _SIGNATURES.items():
        if data.startswith(beginning):
            return mime_type
    return _DEFAULT_TYPES[media.kind]


def google_uri(media: Media, param: str) -> str:
    """Return the URI of media that Google reads itself.

    :raises InvalidRequestError: if it cannot, naming the field ``param``.
    """
    source = media.source
    assert not isinstance(source, InlineData)
    if isinstance(source, FileReference):
        if source.provider != "google":
            raise InvalidRequestError(
                f"The file {source.id!r} is stored at {source.provider}, where this model cannot"
                " read it. Send its content instead.",
                param=param,
            )
        return source.id
    if is_youtube(source.url) or source.url.startswith("gs://"):
        return source.url
    raise InvalidRequestError(
        f"This model cannot fetch {source.url!r}. Send the file's content instead.", param=param
    )
