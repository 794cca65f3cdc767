"""How an upstream's answer is cut into events, sans-IO."""

from __future__ import annotations

from io import BytesIO
from typing import Protocol

from antigravity.interfaces.protocols import IJsonLines, IStreamDecoder
from antigravity.sse import (
    DEFAULT_LIMIT,
    PIECE_COST,
    EventTooLargeError,
    ServerSentEvent,
    SseDecoder,
)


class Frames(Protocol):
    """Bytes in, events out."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that are complete with this chunk.

        :raises EventTooLargeError: if one is larger than the limit.
        """

    def close(self) -> list[ServerSentEvent]:
        """Return what the end of the body completes."""


class WholeBody:
    """Collects a body that is one event: the answer of an upstream that cannot stream."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._body = BytesIO()
        self._limit = limit

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take a chunk in."""
        if self._body.tell() + len(chunk) > self._limit:
            raise EventTooLargeError(f"it is larger than {self._limit} bytes")
        self._body.write(chunk)
        return []

    def close(self) -> list[ServerSentEvent]:
        """Return the body."""
        return [ServerSentEvent("", self._body.getvalue())]


class Lines:
    """Each line that is not blank is an event."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._rest: list[bytes] = []
        self._size = 0
        self._limit = limit

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the lines that are complete with this chunk."""
        begin, end, rest = chunk.rpartition(b"\n")
        whole: list[bytes] = []
        if end:
            whole = b"".join([*self._rest, begin]).split(b"\n")
            self._rest, self._size = [], 0
        if rest:
            self._rest.append(rest)
            self._size += len(rest) + PIECE_COST
        if self._size > self._limit:
            raise EventTooLargeError(f"a line is larger than {self._limit} bytes")
        return [ServerSentEvent("", line) for line in map(bytes.strip, whole) if line]

    def close(self) -> list[ServerSentEvent]:
        """Return the last line, if nothing ended it."""
        return self.feed(b"\n")


def frames_for(decoder: IStreamDecoder, *, whole: bool) -> Frames:
    """Return what cuts an answer into the events that ``decoder`` wants."""
    if whole:
        return WholeBody()
    return Lines() if IJsonLines.providedBy(decoder) else SseDecoder()
