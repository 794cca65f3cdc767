"""Answers in lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.exchange.streams.event_parsers import LinesParser
from antigravity.exchange.streams.event_source import EventSource
from antigravity.ir.errors import UpstreamError
from antigravity.ir.events import Event, Finish, StreamFailure, TextDelta
from antigravity.lowering.pipeline import EventPipeline
from antigravity.protocols.json_events import JsonEventDecoder
from antigravity.sse import PIECE_COST, EventTooLargeError

LINES = b'{"say": "Yes"}\r\n\n{"end": true}'


class Decoder(JsonEventDecoder):
    """Reads lines."""

    def read(self, name: str, data: dict[str, Any]) -> Iterable[Event]:
        yield Finish("stop") if "end" in data else TextDelta(data["say"])


def source() -> EventSource:
    return EventSource(Decoder(), EventPipeline(()), None, None, lambda: 1, lines=True)


@given(st.lists(st.integers(0, len(LINES)), max_size=8))
def test_lines_parser_finds_same_events_for_any_chunks(cuts: list[int]) -> None:
    frames = LinesParser()
    places = [0, *sorted(cuts), len(LINES)]
    found = [frame for begin, end in pairwise(places) for frame in frames.feed(LINES[begin:end])]
    found += frames.close()
    assert [frame.data for frame in found] == [b'{"say": "Yes"}', b'{"end": true}']
    assert frames.close() == []


def test_event_source_reads_json_lines() -> None:
    events = source()
    said = [*events.feed(LINES), *events.end(None)]
    assert [type(event).__name__ for event in said] == ["ResponseStart", "TextDelta", "Finish"]
    assert events.failure is None


def test_truncated_line_is_not_read() -> None:
    events = source()
    events.feed(b'{"say": "Yes"}\n{"en')
    why = UpstreamError("the connection was lost")
    assert events.end(why) == [StreamFailure(why)]


def test_line_beyond_limit_is_refused() -> None:
    limit = 2 * PIECE_COST + 10
    frames = LinesParser(limit)
    frames.feed(b"12345\n123456789\n12345")
    with pytest.raises(EventTooLargeError, match=f"{limit} bytes"):
        frames.feed(b"678901")


def test_line_in_very_many_short_chunks_is_refused() -> None:
    frames = LinesParser(100 * PIECE_COST)
    for _ in range(96):
        frames.feed(b"ab")
    with pytest.raises(EventTooLargeError):
        frames.feed(b"ab" * PIECE_COST)
