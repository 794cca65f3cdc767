"""The size and transparency of an image, from its first bytes."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final

#: Base64 characters that include an image's header; some JPEGs begin with a long profile.
_HEAD: Final = 4 * 64 * 1024
#: JPEG's markers of a frame; C4, C8 and CC mean something else.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def size_of(data: str) -> tuple[int, int] | None:
    """Return width and height of an image in base64, ``None`` if they are unknown."""
    try:
        head = base64.b64decode(data[:_HEAD])
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack(">II", head[16:24])
            return width, height
        if head.startswith(b"\xff\xd8"):
            return _jpeg(head)
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _webp(head)
    except (binascii.Error, struct.error):
        return None
    return None


def has_alpha(data: str) -> bool:
    """Return whether an image in base64 has an alpha channel; ``False`` if unknown."""
    try:
        head = base64.b64decode(data[:_HEAD])
    except binascii.Error:
        return False
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        # Colour types 4 and 6 have alpha samples; others may have a tRNS chunk before the pixels.
        return head[25:26] in (b"\x04", b"\x06") or b"tRNS" in head.partition(b"IDAT")[0]
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if head[12:16] == b"VP8X":
            return bool(head[20:21]) and bool(head[20] & 0x10)
        if head[12:16] == b"VP8L":
            return bool(head[24:25]) and bool(head[24] & 0x10)
    return False


def _jpeg(head: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", head[place + 5 : place + 9])
            return width, height
        (length,) = struct.unpack(">H", head[place + 2 : place + 4])
        place += 2 + length
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width = int.from_bytes(head[24:27], "little") + 1
        return width, int.from_bytes(head[27:30], "little") + 1
    return None
