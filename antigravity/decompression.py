"""Decompressors with bounded output, for request and response bodies."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

#: The most bytes of decompressed data in one piece.
PIECE: Final = 256 * 1024
#: 8 MiB, the largest window of the ``zstd`` content coding (RFC 9659); it is allocated at once.
_ZSTD_WINDOW_LOG: Final = 23


class MalformedError(Exception):
    """The data is not in its content coding."""


#: The errors of decompressors for malformed data.
ERRORS: Final = (zlib.error, MalformedError, EOFError)


class Inflater(Protocol):
    """A decompressor of one frame (zstd) or member (gzip)."""

    @property
    def eof(self) -> bool:
        """Whether the frame is complete."""

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the frame."""

    def decompress(self, data: bytes) -> bytes:
        """Decompress ``data``, and return at most :data:`PIECE` bytes.

        Pass ``b""`` to get more, until nothing is returned.
        """


class _Zlib:
    def __init__(self, bits: int) -> None:
        self._inner = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes) -> bytes:
        tail = self._inner.unconsumed_tail
        return self._inner.decompress(tail + data if tail else data, PIECE)


class _Gzip(_Zlib):
    def __init__(self) -> None:
        super().__init__(31)


class _Deflate(_Zlib):
    """Deflate with the zlib header that the standard requires, or without one."""

    def __init__(self) -> None:
        super().__init__(zlib.MAX_WBITS)
        self._first = b""
        self._decided = False

    def decompress(self, data: bytes) -> bytes:
        if not self._decided:
            self._first += data
            if len(self._first) < 2:
                return b""
            data, self._first = self._first, b""
            self._decided = True
            if data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31:
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        return super().decompress(data)


class _Zstd:
    def __init__(self) -> None:
        # imported at the first use: few clients and upstreams compress
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        self._error = zstd.ZstdError
        options: Any = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._inner: Any = zstd.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes) -> bytes:
        try:
            return bytes(self._inner.decompress(data, PIECE))
        except self._error as error:
            raise MalformedError(str(error)) from error


#: The decompressors by content coding.
INFLATERS: Final[Mapping[str, Callable[[], Inflater]]] = {
    "gzip": _Gzip,
    "deflate": _Deflate,
    "zstd": _Zstd,
}
