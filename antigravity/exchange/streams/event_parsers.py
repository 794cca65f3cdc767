"""Parsers that read the events of an upstream's response.  Sans-IO."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Protocol

from antigravity.exchange.streams.json_splitter import JsonSplitter
from antigravity.exchange.streams.response_form import Form, FormDetector, ResponseSource
from antigravity.sse import (
    DEFAULT_LIMIT,
    PIECE_COST,
    EventTooLargeError,
    ServerSentEvent,
    SseDecoder,
)


class EventParser(Protocol):
    """Bytes in, events out."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that are complete with this chunk.

        :raises EventTooLargeError: if one is larger than the limit.
        :raises UnusableResponseError: if the response has no events.
        """

    def close(self) -> list[ServerSentEvent]:
        """Return what the end of the body completes."""

    def close_truncated(self) -> list[ServerSentEvent]:
        """Return the last whole events of a body that was truncated."""


class AnyFormParser:
    """Reads a response in any form: server-sent events, or JSON in one of several shapes."""

    def __init__(self, source: ResponseSource | None = None, limit: int = DEFAULT_LIMIT) -> None:
        self._source = source or ResponseSource()
        self._limit = limit
        self._detector: FormDetector | None = FormDetector()
        self._parser: SseDecoder | JsonSplitter = SseDecoder(limit)
        #: Returns the events that are complete with a chunk.
        self.feed: Callable[[bytes], list[ServerSentEvent]] = self._detect

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON instead of server-sent events."""
        return isinstance(self._parser, JsonSplitter)

    def _detect(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that are complete with this chunk, once the form is known."""
        detector = self._detector
        assert detector is not None
        form = detector.feed(chunk)
        return [] if form is None else self._begin(form, detector.head)

    def close(self) -> list[ServerSentEvent]:
        """Return what the end of the body completes."""
        detector = self._detector
        begun = [] if detector is None else self._begin(detector.end(), detector.head)
        return [*begun, *self._parser.close()]

    def close_truncated(self) -> list[ServerSentEvent]:
        """Return the last whole event of a truncated body; truncated JSON has none."""
        if self._detector is not None or not isinstance(self._parser, SseDecoder):
            return []
        return self._parser.close()

    def _begin(self, form: Form, head: bytes) -> list[ServerSentEvent]:
        self._detector = None
        if form == "json":
            self._parser = JsonSplitter(self._limit)
        self.feed = self._parser.feed
        if form not in ("json", "events"):
            raise self._source.unusable(form, head)
        return self.feed(head)


class WholeBodyParser:
    """Reads a whole body as one event: the response of an upstream that cannot stream."""

    def __init__(self, limit: int = DEFAULT_LIMIT, source: ResponseSource | None = None) -> None:
        self._body = BytesIO()
        self._limit = limit
        self._source = source or ResponseSource()

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Collect a chunk."""
        if self._body.tell() + len(chunk) > self._limit:
            raise EventTooLargeError(f"it is larger than {self._limit} bytes")
        self._body.write(chunk)
        return []

    def close(self) -> list[ServerSentEvent]:
        """Return the body, or the events if it consists of events."""
        body = self._body.getvalue()
        detector = FormDetector()
        form = detector.feed(body) or detector.end()
        if form == "html":
            raise self._source.unusable(form, body)
        if form == "events" and body.strip():
            frames = SseDecoder(self._limit)
            return [*frames.feed(detector.head), *frames.close()]
        return [ServerSentEvent("", body)]

    def close_truncated(self) -> list[ServerSentEvent]:
        """Return nothing: a truncated body is no event."""
        return []


class LinesParser:
    """Reads each line that is not blank as an event."""

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

    def close_truncated(self) -> list[ServerSentEvent]:
        """Return nothing: a truncated line is no event."""
        return []


def event_parser(*, whole: bool, lines: bool, source: ResponseSource | None = None) -> EventParser:
    """Return what cuts a response into the events of its protocol."""
    if whole:
        return WholeBodyParser(source=source)
    return LinesParser() if lines else AnyFormParser(source)
