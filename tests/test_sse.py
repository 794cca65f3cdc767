"""The SSE decoder gives the same events whatever the chunking."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.sse import (
    PIECE_COST,
    EventSplitter,
    EventTooLargeError,
    ServerSentEvent,
    SseDecoder,
    encode_data,
    encode_event,
)

WIRE = (
    b'\xef\xbb\xbfevent: a\ndata: {"x": "\xc3\xa9"}\n\n'
    b": a comment\r\n\r\ndata:no space\r\ndata: second line\r\n\r\n"
    b"id: 7\rretry: 10\rdata: after CR\r\r"
    b"event: dropped\n\ndata\n\nevent: last\ndata: end\n\n"
)
EVENTS = [
    ServerSentEvent("a", b'{"x": "\xc3\xa9"}'),
    ServerSentEvent("", b"no space\nsecond line"),
    ServerSentEvent("", b"after CR"),
    ServerSentEvent("", b""),
    ServerSentEvent("last", b"end"),
]


def feed(wire: bytes, cuts: list[int]) -> list[ServerSentEvent]:
    """Decode ``wire`` cut at the given places."""
    decoder = SseDecoder()
    events: list[ServerSentEvent] = []
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for start, stop in itertools.pairwise(places):
        events += decoder.feed(wire[start:stop])
    return events + decoder.close()


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_any_chunking_gives_the_same_events(cuts: list[int]) -> None:
    assert feed(WIRE, cuts) == EVENTS


def test_one_byte_at_a_time() -> None:
    assert feed(WIRE, list(range(len(WIRE)))) == EVENTS


@given(
    st.lists(
        st.tuples(
            st.text("abc_", max_size=5),
            st.binary(max_size=30).filter(lambda b: b"\n" not in b and b"\r" not in b),
        )
    ),
    st.lists(st.integers(0, 10_000), max_size=10),
)
def test_encoded_events_are_decoded_unchanged(
    events: list[tuple[str, bytes]], cuts: list[int]
) -> None:
    wire = b"".join(
        encode_event(name.encode(), data) if name else encode_data(data) for name, data in events
    )
    assert feed(wire, cuts) == [ServerSentEvent(name, data) for name, data in events]


@pytest.mark.parametrize(
    "chunk",
    [
        b"event: a\ndata: {\r}\r\n\r\n",
        b"event: a\ndata: {}\r\r\n\r\n",
        b"event: a\ndata: {}\r\n\r\nevent: a\ndata: {\r}\r\n\r\n",
        b"event: a\r\ndata: {\r}\n\r\n",
    ],
)
def test_return_in_the_data_ends_a_line_whatever_the_other_line_ends(chunk: bytes) -> None:
    whole, single = SseDecoder(), SseDecoder()
    for decoder in (whole, single):
        decoder.feed(b"data: first\n\n")
    expected = [event for byte in chunk for event in single.feed(bytes([byte]))]
    assert whole.feed(chunk) == expected


def test_unfinished_event_is_returned_by_close() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: x\n") == []
    assert decoder.pending
    assert decoder.close() == [ServerSentEvent("", b"x")]
    assert not decoder.pending


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 20, b"data: " + b"x" * 10 + b"\n"])
def test_event_beyond_limit_is_refused(chunk: bytes) -> None:
    decoder = SseDecoder(limit=2 * PIECE_COST + 16)
    decoder.feed(b"data: 1234567\n")
    with pytest.raises(EventTooLargeError):
        decoder.feed(chunk)


@pytest.mark.parametrize("line", [b"data\n", b"data:\n", b"data: x\n", b"data\r", b"data:x\r\n"])
def test_event_of_very_many_short_lines_is_refused(line: bytes) -> None:
    decoder = SseDecoder(limit=100 * PIECE_COST)
    with pytest.raises(EventTooLargeError):
        decoder.feed(line * 101)


def test_line_in_very_many_short_chunks_is_refused() -> None:
    decoder, splitter = SseDecoder(limit=100 * PIECE_COST), EventSplitter(limit=100 * PIECE_COST)
    for reader in (decoder, splitter):
        for _ in range(94):
            reader.feed(b"data")
        with pytest.raises(EventTooLargeError):
            reader.feed(b"x" * PIECE_COST)


def test_limit_counts_one_event_and_not_those_before_it() -> None:
    decoder, splitter = SseDecoder(limit=3 * PIECE_COST), EventSplitter(limit=3 * PIECE_COST)
    for _ in range(100):
        assert len(decoder.feed(b"data: 12") + decoder.feed(b"34\n\n")) == 1
        assert splitter.feed(b"data: 12") + splitter.feed(b"34\n\n")


def test_splitter_passes_an_event_on_when_the_decoder_has_it() -> None:
    data = b"event: a\r\ndata: {}\r\n\r\ndata: {}\r\n\r\n"
    decoder, splitter = SseDecoder(), EventSplitter()
    events = blanks = 0
    for byte in data:
        events += len(decoder.feed(bytes([byte])))
        blanks += splitter.feed(bytes([byte])).count(b"data: ")
        assert events == blanks


_LINES = st.sampled_from(
    (
        b"data: {}",
        b"data:x",
        b"data: ",
        b"data",
        b"event: a",
        b"event:b",
        b": c",
        b"id: 1",
        b"",
        b"x",
    )
)


@given(st.lists(st.lists(_LINES, max_size=4), max_size=6), st.sampled_from((b"\n", b"\r\n", b"\r")))
def test_events_are_the_same_whole_or_byte_by_byte(blocks: list[list[bytes]], end: bytes) -> None:
    chunks = [b"".join([line + end for line in block]) + end for block in blocks]
    by_chunk, by_byte = SseDecoder(), SseDecoder()
    whole = [event for chunk in chunks for event in by_chunk.feed(chunk)]
    data = b"".join(chunks)
    assert whole == [event for place in data for event in by_byte.feed(bytes((place,)))]
    splitter = EventSplitter()
    assert b"".join([*map(splitter.feed, chunks), splitter.rest()]) == data


@given(
    st.lists(
        st.tuples(_LINES, st.sampled_from((b"\n", b"\n", b"\n", b"\r\n", b"\r"))), max_size=20
    ),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_tail_of_decoder_is_where_splitter_finds_it(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    data = b"data: x\n\n" + b"".join([line + end for line, end in lines])
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    decoder, splitter, alone = SseDecoder(), EventSplitter(), EventSplitter()
    written = expected = b""
    for begin, end in itertools.pairwise(places):
        decoder.feed(data[begin:end])
        written += splitter.feed(data[begin:end], decoder.tail)
        expected += alone.feed(data[begin:end])
        assert written.rstrip(b"\r\n") == expected.rstrip(b"\r\n")
    assert written + splitter.rest() == expected + alone.rest() == data


_LINES = st.lists(
    st.sampled_from(
        (
            b"",
            b"",
            b"data: a",
            b"data: {}",
            b"data:b",
            b"data",
            b"event: x",
            b"event:",
            b": c",
            b"id: 1",
        )
    ),
    max_size=20,
)


@given(_LINES, st.sampled_from((b"\n", b"\r\n", b"\r")), st.lists(st.integers(0, 400), max_size=6))
def test_any_lines_in_any_chunks_give_the_events_of_single_bytes(
    lines: list[bytes], ending: bytes, cuts: list[int]
) -> None:
    wire = b"".join(line + ending for line in lines)
    decoder = SseDecoder()
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    events: list[ServerSentEvent] = []
    splitter, out = EventSplitter(), b""
    for start, stop in itertools.pairwise(places):
        chunk = wire[start:stop]
        events += decoder.feed(chunk)
        out += splitter.feed(chunk, decoder.tail)
    assert out + splitter.rest() == wire
    assert [*events, *decoder.close()] == feed(wire, list(range(len(wire))))
