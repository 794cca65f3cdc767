"""Decodes chunked request bodies, sans-IO."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from antigravity.ir.errors import InvalidRequestError

#: Most bytes of the line with a chunk's size and extensions.
MAX_SIZE_LINE: Final = 1023
#: Most bytes of all trailers.
MAX_TRAILERS: Final = 64 * 1024

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]+)(?:;[\t\x20-\x7e]*)?")
_LINE_END: Final = b"\r\n"

_MALFORMED: Final = "The chunked request body is malformed."


class ChunkedBody:
    """A decoder of one chunked body.  Extensions and trailers are bounded and dropped.

    :param receive: called with each piece of the body.
    :ivar rest: the bytes behind the body, once it is complete.
    """

    __slots__ = (
        "_at_line_end",
        "_in_trailers",
        "_kept",
        "_receive",
        "_remaining",
        "_trailers",
        "rest",
    )

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._kept = b""
        self._remaining = 0
        self._at_line_end = False
        self._in_trailers = False
        self._trailers = 0  # their bytes so far
        self.rest: bytes | None = None

    def feed(self, data: bytes) -> None:
        """Decode the next bytes.

        :raises InvalidRequestError: if the body is malformed.
        """
        if self._kept:
            data = self._kept + data
        place, size = 0, len(data)
        while place < size and not self._in_trailers:
            if self._remaining:
                piece = data[place : place + self._remaining]
                place += len(piece)
                self._remaining -= len(piece)
                self._at_line_end = not self._remaining
                self._receive(piece)
            elif self._at_line_end:
                if size - place < len(_LINE_END):
                    break
                if not data.startswith(_LINE_END, place):
                    raise InvalidRequestError(_MALFORMED)
                place += len(_LINE_END)
                self._at_line_end = False
            else:
                end = data.find(_LINE_END, place, place + MAX_SIZE_LINE + len(_LINE_END))
                if end < 0:
                    if size - place > MAX_SIZE_LINE + 1:
                        raise InvalidRequestError(_MALFORMED)
                    break
                line = _SIZE_LINE.fullmatch(data, place, end)
                if line is None:
                    raise InvalidRequestError(_MALFORMED)
                self._remaining = int(line[1], 16)
                self._in_trailers = not self._remaining
                place = end + len(_LINE_END)
        self._kept = data[place:]
        if self._in_trailers:
            self._skip_trailers()

    def _skip_trailers(self) -> None:
        """Drop the trailers up to the empty line that ends the body.

        :raises InvalidRequestError: if they are too long.
        """
        data = self._kept
        place = 0
        while (end := data.find(_LINE_END, place)) >= 0:
            is_empty = end == place and not self._at_line_end
            self._trailers += end + len(_LINE_END) - place
            place = end + len(_LINE_END)
            self._at_line_end = False
            if is_empty:
                self.rest, self._kept = data[place:], b""
                return
            self._check_trailers(0)
        rest = data[place:]
        # Of an incomplete line only its length matters, and whether it ends with half a line end.
        self._kept = b"\r" if rest.endswith(b"\r") else b""
        dropped = len(rest) - len(self._kept)
        if dropped:
            self._at_line_end = True  # the line is not empty
            self._trailers += dropped
        self._check_trailers(len(self._kept))

    def _check_trailers(self, kept: int) -> None:
        if self._trailers + kept > MAX_TRAILERS:
            raise InvalidRequestError(_MALFORMED)
