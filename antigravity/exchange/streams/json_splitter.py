"""Splits JSON into its values as it arrives.  Sans-IO.

For upstreams that respond without server-sent events: with one object, with objects in lines, or
with one array of objects.  Only brackets and strings are recognized, nothing is parsed.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import Final

import msgspec
from msgspec import Raw

from antigravity.sse import DEFAULT_LIMIT, EventTooLargeError, ServerSentEvent

#: Deeper values are refused: no decoder accepts them.
MAX_DEPTH: Final = 1000
#: A whole string, the beginning of one, or a run of brackets of one kind.
_STRUCTURE: Final = re.compile(rb""""[^"\\]*(?:\\.[^"\\]*)*("?)|([\[{]+)|[\]}]+""", re.DOTALL)
_IN_STRING: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_QUOTE: Final = b'"'
#: The end of an object, and of a body.
_ENDS: Final = (b"}", b"}\n", b"}\r\n")


class JsonSplitter:
    """Reads each top-level object, or object of a top-level array, as an unnamed event.

    :raises EventTooLargeError: from :meth:`feed`, when one exceeds ``limit`` bytes, or is nested
        too deeply.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._value = BytesIO()
        self._depth = 0
        self._base: int | None = None  # 1 within an array at the top
        self._in_string = False
        self._escaped = False  # the next byte is escaped by the last one

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the values that are complete with this chunk."""
        if self._base is None and self._is_one_object(chunk):
            self._base = 0
            return [ServerSentEvent("", chunk.rstrip())]
        found: list[ServerSentEvent] = []
        place = self._skip_string(chunk, 0) if self._in_string and chunk else 0
        begin = 0  # of what belongs to the value that is open
        for match in _STRUCTURE.finditer(chunk, place):
            start, end = match.span()
            opened = match[2]
            if opened is not None:
                begin = self._opened(opened, start, begin)
            elif match[1] is None:
                begin = self._closed(chunk, start, end, begin, found)
            elif not match[1]:
                # A backslash at the end escapes the first byte of the next chunk.
                self._in_string, self._escaped = True, end < len(chunk)
                break
        if self._depth > (self._base or 0):
            self._hold(chunk[begin:])
        return found

    def _is_one_object(self, chunk: bytes) -> bool:
        """Return whether a chunk is one whole object: the usual response that is no stream."""
        if len(chunk) > self._limit or not (chunk.startswith(b"{") and chunk.endswith(_ENDS)):
            return False
        try:
            msgspec.json.decode(chunk, type=Raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True

    def close(self) -> list[ServerSentEvent]:
        """Return the beginning of a value that has no end."""
        rest = self._pop_value()
        return [ServerSentEvent("", rest)] if rest else []

    def _skip_string(self, chunk: bytes, place: int) -> int:
        """Return the place behind a string, or the end of the chunk."""
        if self._escaped:
            self._escaped = False
            place += 1
        match = _IN_STRING.match(chunk, place)
        assert match is not None
        place = match.end()
        if chunk[place : place + 1] == _QUOTE:
            self._in_string = False
        elif place < len(chunk):  # a backslash at the very end
            self._escaped = True
        return place + 1

    def _opened(self, brackets: bytes, place: int, begin: int) -> int:
        """Return where the open value begins in this chunk."""
        if self._base is None:
            self._base = 1 if brackets.startswith(b"[") else 0
        outside = self._base - self._depth
        self._depth += len(brackets)
        if self._depth > MAX_DEPTH:
            raise EventTooLargeError(f"a value is nested more than {MAX_DEPTH} levels deep")
        return place + outside if 0 <= outside < len(brackets) else begin

    def _closed(
        self, chunk: bytes, start: int, end: int, begin: int, found: list[ServerSentEvent]
    ) -> int:
        """Handle closing brackets; return where an open value begins in this chunk."""
        base = self._base or 0
        inside = self._depth - base
        self._depth = max(0, self._depth - (end - start))
        if 0 < inside <= end - start:
            self._hold(chunk[begin : start + inside])
            found.append(ServerSentEvent("", self._pop_value()))
        return begin

    def _hold(self, piece: bytes) -> None:
        if self._value.tell() + len(piece) > self._limit:
            raise EventTooLargeError(f"a value is larger than {self._limit} bytes")
        self._value.write(piece)

    def _pop_value(self) -> bytes:
        value = self._value.getvalue()
        if value:
            self._value = BytesIO()
        return value
