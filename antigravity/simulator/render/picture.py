"""The one picture that is ever drawn; pure."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        seal = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + seal

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00\x33\x66\x99", 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    )


#: A picture of one blue pixel.
PNG: Final = _png()
PNG_BASE64: Final = base64.b64encode(PNG).decode("ascii")
