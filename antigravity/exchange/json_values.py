"""Splits JSON into its values as it arrives, sans-IO.

For upstreams that answer without server-sent events: one object, objects in lines, or one array
of them.  Nothing is parsed here: only brackets and strings are told apart.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import Final

from antigravity.sse import DEFAULT_LIMIT, EventTooLargeError, ServerSentEvent

_STRUCTURE: Final = re.compile(rb'["{}\[\]]')
_IN_STRING: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_QUOTE, _OPEN, _CLOSE = b'"', b"{[", b"}]"


class JsonValues:
    """Each object at the top, or in an array at the top, is an event without a name.

    :raises EventTooLargeError: from :meth:`feed`, when one exceeds ``limit`` bytes.
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
        begin = 0  # of what belongs to the value that is open
        place = 0
        while place < len(chunk):
            if self._in_string:
                place = self._skip_string(chunk, place)
                continue
            match = _STRUCTURE.search(chunk, place)
            if match is None:
                break
            place = match.end()
            mark = match[0]
            if mark == _QUOTE:
                self._in_string = True
            elif mark in _OPEN:
                begin = self._opened(mark, match.start(), begin)
            elif self._depth > 0:
                self._depth -= 1
                if self._depth == self._base:
                    self._hold(chunk[begin:place])
                    found.append(ServerSentEvent("", self._take()))
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

    def _opened(self, mark: bytes, place: int, begin: int) -> int:
        """Return where the open value begins in this chunk."""
        if self._base is None:
            self._base = 1 if mark == b"[" else 0
        if self._depth == self._base:
            begin = place
        self._depth += 1
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
