"""Splits JSON into its values as it arrives, sans-IO.

For upstreams that answer without server-sent events: one object, objects in lines, or one array
of them.  Nothing is parsed here: only brackets and strings are told apart.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import Final

from antigravity.sse import DEFAULT_LIMIT, EventTooLargeError, ServerSentEvent

#: Deeper values are refused: no decoder takes them.
MAX_DEPTH: Final = 1000
#: A string that is whole, the beginning of one, or brackets of one kind in a row.
_STRUCTURE: Final = re.compile(rb""""[^"\\]*(?:\\.[^"\\]*)*("?)|([\[{]+)|[\]}]+""", re.DOTALL)
_IN_STRING: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_QUOTE: Final = b'"'


class JsonSplitter:
    """Each object at the top, or in an array at the top, is an event without a name.

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
                # A backslash at the very end escapes what comes next.
                self._in_string, self._escaped = True, end < len(chunk)
                break
        if self._depth > (self._base or 0):
            self._hold(chunk[begin:])
        return found

    def close(self) -> list[ServerSentEvent]:
        """Return what is left of a value that has no end."""
        rest = self._take()
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
        """Take brackets that close values; return where an open value begins in this chunk."""
        base = self._base or 0
        inside = self._depth - base
        self._depth = max(0, self._depth - (end - start))
        if 0 < inside <= end - start:
            self._hold(chunk[begin : start + inside])
            found.append(ServerSentEvent("", self._take()))
        return begin

    def _hold(self, piece: bytes) -> None:
        if self._value.tell() + len(piece) > self._limit:
            raise EventTooLargeError(f"a value is larger than {self._limit} bytes")
        self._value.write(piece)

    def _take(self) -> bytes:
        value = self._value.getvalue()
        if value:
            self._value = BytesIO()
        return value
