"""Chunked bodies: strict about sizes, indifferent to how the bytes are split."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.ir.errors import InvalidRequestError
from antigravity.web.connection.chunked_body import MAX_SIZE_LINE, MAX_TRAILERS, ChunkedBody


def decode(*parts: bytes) -> tuple[bytes, bytes | None]:
    """Return the body of the parts and the bytes behind it."""
    pieces: list[bytes] = []
    body = ChunkedBody(pieces.append)
    rest = b""
    for part in parts:
        if body.rest is None:
            body.feed(part)
        else:
            rest += part
    return b"".join(pieces), None if body.rest is None else body.rest + rest


def split(wire: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    return [wire[start:stop] for start, stop in itertools.pairwise(places) if start != stop]


CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
TRAILERS = st.lists(
    st.binary(min_size=1, max_size=20).filter(
        lambda line: b"\r\n" not in line and not line.endswith(b"\r") and line[:1] != b"\n"
    ),
    max_size=3,
)


@settings(deadline=None)
@given(CHUNKS, TRAILERS, st.binary(max_size=20), st.lists(st.integers(0, 1000), max_size=12))
def test_any_split_gives_the_same_body(
    chunks: list[bytes], trailers: list[bytes], rest: bytes, cuts: list[int]
) -> None:
    wire = b"".join(b"%x;a=b\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n"
    wire += b"".join(trailer + b"\r\n" for trailer in trailers) + b"\r\n" + rest
    expected = b"".join(chunks), rest
    assert decode(wire) == expected
    assert decode(*split(wire, cuts)) == expected
    assert decode(*(bytes([byte]) for byte in wire)) == expected


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b"1_0\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"1 ;a\r\n",
        b"1\n{\r\n",
        b"1;a\nb\r\n",
        b"1;\x01\r\n",
        b"1;\xff\r\n",
        b"1\r\nxxx",
        b"1\r\nx\n1",
        b"1\r\nx\rx",
        "\uff11\r\n".encode(),  # a wide digit
        b"1" * (MAX_SIZE_LINE + 2),
        b"0\r\n" + b"x" * (MAX_TRAILERS + 1),
        b"0\r\n" + b"a: b\r\n" * (MAX_TRAILERS // 6 + 1),
    ],
)
def test_malformed_body_is_refused(wire: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="malformed"):
        decode(wire)
    with pytest.raises(InvalidRequestError, match="malformed"):
        decode(*(bytes([byte]) for byte in wire))


def test_size_line_and_trailers_may_have_exactly_the_limit() -> None:
    line = b"1;" + b"x" * (MAX_SIZE_LINE - 2)
    trailers = b"x" * (MAX_TRAILERS - 4) + b"\r\n"
    wire = line + b"\r\n{\r\n0\r\n" + trailers + b"\r\nrest"
    assert decode(wire) == (b"{", b"rest")


def test_trailers_are_not_kept() -> None:
    body = ChunkedBody(lambda piece: None)
    body.feed(b"0\r\n")
    for _ in range(60):
        body.feed(b"x" * 1000)
    assert len(body._kept) <= 1
