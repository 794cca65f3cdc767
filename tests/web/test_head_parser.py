"""Heads of requests: the same result however the bytes are split, and in linear time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.ir.errors import GatewayError
from antigravity.web.connection.head_parser import MAX_HEAD, MAX_HEADERS, HeadReader, ParsedHead

LINE = b"POST /v1/messages?a=b HTTP/1.1\r\n"
#: Pieces of which heads are made, most of them harmful.
PIECES = st.sampled_from(
    [
        *(LINE, b"GET / HTTP/1.0\r\n", b"Host: localhost\r\n", b"A:\r\n", b"A:  b \t\r\n"),
        *(b"Content-Length: 2\r\n", b"A: \xc3\xbc\xff\r\n", b"\r\n", b"\n", b"\r", b"\0", b" "),
        *(b"\t", b":", b"a", b"A : b\r\n", b" folded\r\n", b"no colon\r\n", b"A: b\nC: d\r\n"),
        *(b"A: b\rc\r\n", b": b\r\n", b"A\xff: b\r\n", b"HTTP/1.1", b"x" * 30, b"\x16\x03"),
    ]
)
WIRES = st.lists(PIECES, min_size=1, max_size=12).map(b"".join)

Outcome = tuple[ParsedHead, bytes] | str | None


def read(*parts: bytes) -> Outcome:
    """Return the first head with the bytes behind it, the message of the error, or ``None``."""
    reader = HeadReader()
    found: tuple[ParsedHead, bytes] | None = None
    for part in parts:
        if found is not None:
            found = found[0], found[1] + part
            continue
        try:
            found = reader.feed(part)
        except GatewayError as error:
            return error.message
    return found


@settings(deadline=None, max_examples=400)
@given(st.booleans(), WIRES, st.lists(st.integers(0, 500), max_size=10))
def test_any_split_gives_the_same_result(begins_well: bool, tail: bytes, cuts: list[int]) -> None:
    wire = (LINE if begins_well else b"") + tail
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    parts = [wire[start:stop] for start, stop in itertools.pairwise(places) if start != stop]
    expected = read(wire)
    assert read(*parts) == expected
    assert read(*(bytes([byte]) for byte in wire)) == expected


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("abcXYZ-_09!~", min_size=1, max_size=12),
            st.binary(max_size=30).filter(lambda value: not set(value) & set(b"\r\n\0")),
        ),
        max_size=8,
    ),
    st.binary(max_size=20),
)
def test_valid_head_is_read_byte_for_byte(fields: list[tuple[str, bytes]], rest: bytes) -> None:
    lines = b"".join(b"%b:%b\r\n" % (name.encode(), value) for name, value in fields)
    found = [(name, value.decode("latin-1")) for name, value in fields]
    head = ParsedHead("POST", "/v1/messages?a=b", "HTTP/1.1", found)
    assert read(LINE + lines + b"\r\n" + rest) == (head, rest)


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (LINE + b"A: b\r\n" * (MAX_HEADERS + 1), "too many headers"),
        (LINE + b"A: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", "too many headers"),
        (LINE + b"A: " + b"b" * MAX_HEAD, "too large"),
        (LINE + b"A: " + b"b" * MAX_HEAD + b"\r\n\r\n", "too large"),
        (b"GET /" + b"b" * MAX_HEAD, "too large"),
        (b"G" * (MAX_HEAD + 1), "too large"),
        (LINE + b"A b: c\r\nA: " + b"b" * MAX_HEAD, "not well-formed"),
        (LINE + b"A: b\n", "carriage return"),
        (LINE + b"A: b\nC: d\r\n\r\n", "carriage return"),
        (b"HELO example\r\n", "not well-formed"),
        (b"GET / HTTP/1.2\r\n", "not well-formed"),
        (b"GET  / HTTP/1.1\r\n", "not well-formed"),
        (b"GET / HTTP/1.1 \r\n", "not well-formed"),
        (b"GET /\xff HTTP/1.1\r\n", "not well-formed"),
        (b"GET / http/1.1\r\n", "not well-formed"),
    ],
)
def test_faulty_head_is_refused_before_it_is_complete(wire: bytes, words: str) -> None:
    outcome = read(wire)
    assert isinstance(outcome, str)
    assert words in outcome


def test_head_may_have_exactly_the_limits() -> None:
    fields = b"A: b\r\n" * (MAX_HEADERS - 1)
    length = MAX_HEAD - len(LINE) - len(fields) - len(b"B:\r\n\r\n")
    wire = LINE + fields + b"B:" + b"x" * length + b"\r\n\r\n"
    outcome = read(wire)
    assert len(wire) == MAX_HEAD
    assert isinstance(outcome, tuple)
    assert len(outcome[0].fields) == MAX_HEADERS


def test_error_keeps_what_was_understood() -> None:
    reader = HeadReader()
    with pytest.raises(GatewayError):
        reader.feed(LINE + b"anthropic-version: 1\r\nbad header: 1\r\nA: b\r\n\r\n")
    fields = [("anthropic-version", " 1")]
    assert reader.partial == ParsedHead("POST", "/v1/messages?a=b", "HTTP/1.1", fields)


@pytest.mark.parametrize("value", [b" " * 60_000 + b"\0", b"a " * 30_000 + b"\r", b"\t" * 60_000])
def test_hostile_line_is_matched_in_linear_time(value: bytes) -> None:
    # a pattern that backtracks would take minutes
    wire = LINE + b"A:" + value + b"\r\n\r\n"
    assert (read(wire) == "The request is not well-formed HTTP/1.1.") == (value[-1:] != b"\t")
    assert read(LINE + b"A" * 60_000 + b"\r\n\r\n") == "The request is not well-formed HTTP/1.1."
