"""Request bodies, decompressed while they arrive, with a limit on their size."""

from __future__ import annotations

import re
import sys
from collections import deque
from io import BytesIO

from antigravity.decompression import ERRORS, INFLATERS, PIECE, Inflater
from antigravity.ir.errors import InvalidRequestError, RequestTooLargeError
from antigravity.web.errors import UnsupportedEncodingError

_MARK = b"\xef\xbb\xbf"
_MARKED_JSON = re.compile(_MARK + rb"[ \t\r\n]*[{\[]")
#: Frames (zstd) or members (gzip) of one body.  Each costs a decompressor of its own, however
#: little is in it; programs that compress in blocks make one for every 64 KiB or more.
MAX_FRAMES = 4096
#: The number of frames that are decompressed at a time.
_FRAMES_AT_ONCE = 64


def too_large(limit: int) -> RequestTooLargeError:
    """Return the error for a body beyond ``limit``."""
    return RequestTooLargeError(
        f"The request body is larger than {limit} bytes. The limit is max_body_bytes in the "
        "[proxy] table of the gateway's configuration."
    )


def without_mark(body: bytes) -> bytes:
    """Return ``body`` without a byte order mark before JSON.

    Some editors and clients on Windows write it, but JSON has none (RFC 8259, 8.1), and upstreams
    refuse it.
    """
    return body[len(_MARK) :] if body[:1] == _MARK[:1] and _MARKED_JSON.match(body) else body


class RequestBody:
    """One body of at most ``limit`` bytes before and after decompression; 0 is no limit.

    :raises UnsupportedEncodingError: if ``encoding``, its ``Content-Encoding``, is unknown.
    """

    def __init__(self, limit: int, encoding: str = "") -> None:
        coding = encoding.strip().lower().removeprefix("x-")
        self._new_inflater = None if coding in ("", "identity") else INFLATERS.get(coding)
        if self._new_inflater is None and coding not in ("", "identity"):
            raise UnsupportedEncodingError(
                f"The Content-Encoding {encoding[:100]!r} is not supported; "
                "use gzip, deflate, zstd or none."
            )
        self._limit = limit or sys.maxsize
        self._received = 0
        self._first_piece = b""
        self._buffer: BytesIO | None = None
        self._size = 0
        self._decompressor: Inflater | None = None
        self._pending: deque[bytes] = deque()
        self._input = b""
        self._frames = 0
        #: Whether the decompressor needs more input.
        self._needs_input = True
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Receive the next bytes of the body, and decompress a part of what is pending.

        :raises RequestTooLargeError: if the body is larger than the limit.
        :raises InvalidRequestError: if it cannot be decompressed.
        """
        self._received += len(data)
        if self._received > self._limit:
            raise too_large(self._limit)
        if self._new_inflater is None:
            self._append(data)
            return
        self._pending.append(data)
        self.advance()

    def advance(self) -> bool:
        """Decompress one step; return whether nothing is left to decompress.

        A step takes about a millisecond, so that other connections are served in between.

        :raises RequestTooLargeError: if the body is larger than the limit.
        :raises InvalidRequestError: if it cannot be decompressed, or has too many frames.
        """
        try:
            return self._decompress()
        except ERRORS as error:
            raise InvalidRequestError(f"The body cannot be decompressed: {error}.") from error

    def _append(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(self._limit)
        if self._buffer is not None:
            self._buffer.write(data)
        elif not self._first_piece:
            self._first_piece = data
        else:
            self._buffer = BytesIO()
            self._buffer.write(self._first_piece)
            self._buffer.write(data)
            self._first_piece = b""

    def _decompress(self) -> bool:
        produced = frames = 0
        while True:
            data = self._input or (self._pending.popleft() if self._pending else b"")
            self._input = b""
            if not data and self._needs_input:
                return True
            if produced >= PIECE or frames >= _FRAMES_AT_ONCE:
                self._input = data
                return False
            if self._decompressor is None:  # a frame begins
                self._decompressor = self._start_frame()
            self._ended = False
            piece = self._decompressor.decompress(data)
            if piece:
                produced += len(piece)
                self._append(piece)
            self._needs_input = not piece
            if self._decompressor.eof:
                self._input = self._decompressor.unused_data
                self._decompressor = None
                self._ended = self._needs_input = True
                frames += 1

    def _start_frame(self) -> Inflater:
        assert self._new_inflater is not None
        self._frames += 1
        if self._frames > MAX_FRAMES:
            raise InvalidRequestError(
                f"The compressed body has more than {MAX_FRAMES} frames; compress it as one."
            )
        return self._new_inflater()

    def finish(self) -> bytes:
        """Return the body, once :meth:`advance` has returned true; see :func:`without_mark`.

        :raises InvalidRequestError: if a compressed body ends too early.
        """
        if self._new_inflater is not None and not self._ended and self._received:
            raise InvalidRequestError("The compressed body ends too early.")
        return without_mark(self._first_piece if self._buffer is None else self._buffer.getvalue())
