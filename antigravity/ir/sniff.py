"""Detects the type of a file by its first bytes."""

from __future__ import annotations

from typing import Final

#: The content types of servers for unknown types.
UNKNOWN: Final = frozenset(("", "application/octet-stream", "binary/octet-stream"))

_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)

_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}

_BRANDS: Final = {
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
}


def sniff(data: bytes) -> str | None:
    """Return the MIME type of ``data``, or ``None`` if it is unknown."""
    for start, mime_type in _STARTS:
        if data.startswith(start):
            return mime_type
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:
        return "audio/aac" if data[1] & 0x06 == 0 else "audio/mpeg"
    return None


def mime_type_of(content_type: str, data: bytes) -> str:
    """Return the server's content type, or if it is unspecific the detected type."""
    given = content_type.partition(";")[0].strip().lower()
    if given in UNKNOWN:
        return sniff(data) or "application/octet-stream"
    return given
