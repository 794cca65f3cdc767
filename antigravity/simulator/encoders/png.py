"""PNG images; pure."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

_START: Final = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    seal = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + seal


def _pixel() -> bytes:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00\x33\x66\x99", 9)
    return _START + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixel) + _chunk(b"IEND", b"")


def png(width: int, height: int, note: str) -> bytes:
    """Return a black image with a comment."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(((width + 7) // 8 + 1) * height), 1)
    directives = b"Comment\0\0\0\0\0" + note.encode()
    chunks = ((b"IHDR", header), (b"iTXt", directives), (b"IDAT", rows), (b"IEND", b""))
    return _START + b"".join(_chunk(kind, data) for kind, data in chunks)


#: An image of one blue pixel.
PNG: Final = _pixel()
PNG_BASE64: Final = base64.b64encode(PNG).decode("ascii")
