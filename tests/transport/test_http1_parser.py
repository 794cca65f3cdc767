"""The parser of responses: what it reads, what it refuses, however the bytes are split."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.ir.errors import UpstreamError
from antigravity.transport.head_limit import HEAD_LIMIT
from antigravity.transport.http1.response_parser import (
    FRAMING_LIMIT,
    MalformedResponseError,
    ResponseParser,
)
from tests.transport.raw_responses import CHUNKED, MALFORMED, MALFORMED_BODIES, OK, splits


def parse(*pieces: bytes, method: bytes = b"POST") -> tuple[ResponseParser, bytes]:
    """Return a parser that has read ``pieces``, and the body."""
    parser = ResponseParser()
    parser.start(method)
    body = b""
    for piece in pieces:
        if parser.ended:
            break
        body += parser.feed(piece)
    return parser, body


@pytest.mark.parametrize("name", MALFORMED)
@settings(max_examples=15)
@given(data=st.data())
def test_malformed_response_is_refused(name: str, data: st.DataObject) -> None:
    parser, body = parse(*data.draw(splits(MALFORMED[name])))
    assert isinstance(parser.error, MalformedResponseError)
    assert (parser.ended, parser.keep_alive, parser.head, body) == (True, False, None, b"")


@pytest.mark.parametrize("name", MALFORMED_BODIES)
@settings(max_examples=15)
@given(data=st.data())
def test_malformed_body_is_refused(name: str, data: st.DataObject) -> None:
    parser, body = parse(*data.draw(splits(CHUNKED + MALFORMED_BODIES[name])))
    assert parser.head is not None
    assert isinstance(parser.error, MalformedResponseError)
    assert b"hello".startswith(body)


@pytest.mark.parametrize(
    ("wire", "status", "body", "keep_alive"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", True),
        (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
        (OK + b"content-length:5  \r\nConnection: close\r\n\r\nhello", 200, b"hello", False),
        (CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: r\r\n\r\n", 200, b"hello", True),
        (OK + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n05\r\nhello\r\n0\r\n\r\n", 200, b"hello", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
        (
            b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello",
            200,
            b"hello",
            True,
        ),
        (
            CHUNKED.replace(b"1.1", b"1.0").replace(
                b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"
            )
            + b"5\r\nhello\r\n0\r\n\r\n",
            200,
            b"hello",
            False,
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 204\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 204\r\nContent-Length: 5\r\n\r\n", 204, b"", False),
        (b"HTTP/1.1 204\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b"", False),
        (
            OK + b"Transfer-Encoding: \tchunked  \r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            200,
            b"hello",
            True,
        ),
        (b"HTTP/1.1 999 Odd\r\nContent-Length: 5\r\n\r\nhello", 999, b"hello", True),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: <x>\r\n\r\n"
            + OK
            + b"Content-Length: 5\r\n\r\nhello",
            200,
            b"hello",
            True,
        ),
    ],
)
@settings(max_examples=15)
@given(data=st.data())
def test_response_is_read_from_any_pieces(
    wire: bytes, status: int, body: bytes, keep_alive: bool, data: st.DataObject
) -> None:
    parser, read = parse(*data.draw(splits(wire)))
    assert parser.head is not None
    assert (parser.head.status, read, parser.error) == (status, body, None)
    assert (parser.ended, parser.keep_alive) == (True, keep_alive)


@given(body=st.binary(min_size=1, max_size=300), data=st.data())
def test_truncated_response_never_ends(body: bytes, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(body)))
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    for wire in (
        OK + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n",
    ):
        end = data.draw(st.integers(1, len(wire) - 1))
        parser, read = parse(wire[:end])
        assert not parser.ended
        assert body.startswith(read)
        read += parser.feed(wire[end:])
        assert (parser.ended, parser.error, read) == (True, None, body)


def test_chunks_of_one_read_are_one_piece() -> None:
    parser = ResponseParser()
    parser.feed(CHUNKED)
    assert parser.feed(b"3\r\nabc\r\n" * 64) == b"abc" * 64


@pytest.mark.parametrize(
    "excess",
    [b"x", OK, OK + b"Content-Length: 1\r\n\r\nb", b"HTTP/1.1 100 Continue\r\n\r\n", b"0\r\n\r\n"],
)
@pytest.mark.parametrize(
    "response",
    [
        OK + b"Content-Length: 1\r\n\r\na",
        OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na",
        CHUNKED + b"1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_data_after_a_response_ends_the_connection(response: bytes, excess: bytes) -> None:
    parser, body = parse(response + excess)
    assert (parser.ended, parser.error, parser.keep_alive) == (True, None, False)
    assert parser.head is not None
    assert body == (b"" if parser.head.status == 204 else b"a")


def test_response_beyond_one_piece_with_excess_ends_the_connection() -> None:
    head = OK + b"x: " + b"y" * 16_000 + b"\r\nContent-Length: 0\r\n\r\n"
    padding = b"z" * 64_000
    parser, _ = parse(head + padding)
    assert (parser.ended, parser.error, parser.keep_alive) == (True, None, False)


def test_body_without_length_ends_with_the_connection() -> None:
    for head in (OK + b"\r\n", b"HTTP/1.0 200 OK\r\n\r\n"):
        parser, body = parse(head, b"some", b"more")
        assert parser.head is not None
        assert (parser.head.until_close, parser.head.length) == (True, None)
        assert (parser.ended, parser.keep_alive, body) == (False, False, b"somemore")


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"A: b"])
def test_response_to_head_has_no_body(framing: bytes) -> None:
    parser, body = parse(OK + framing + b"\r\n\r\n", method=b"HEAD")
    assert parser.head is not None
    assert (parser.ended, parser.error, parser.head.length, body) == (True, None, 0, b"")
    assert not parser.keep_alive


def test_one_parser_reads_one_response_after_another() -> None:
    parser = ResponseParser()
    for number in range(3):
        parser.start(b"POST")
        assert not parser.has_begun
        assert parser.feed(CHUNKED + b"1\r\n%d\r\n0\r\nT: r\r\n\r\n" % number) == b"%d" % number
        assert parser.ended
        assert parser.head is not None
        assert parser.head.pairs == []


FLOODS = {
    "headers": (OK, b"a: b\r\n"),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "one header": (OK + b"a: ", b"x" * 100),
    "reason": (b"HTTP/1.1 200 ", b"x" * 100),
}


@pytest.mark.parametrize("size", [1000, 16 * 1024, 64 * 1024, 10**7])
@pytest.mark.parametrize("name", FLOODS)
def test_head_is_limited(name: str, size: int) -> None:
    begin, flood = FLOODS[name]
    wire = begin + flood * (3 * HEAD_LIMIT // len(flood))
    parser = ResponseParser()
    for start in range(0, len(wire), size):
        parser.feed(wire[start : start + size])
        if parser.ended:
            break
    assert isinstance(parser.error, UpstreamError)
    assert parser.error.code == "headers_too_large"
    assert start <= HEAD_LIMIT


@pytest.mark.parametrize("flood", [b"1;" + b"x" * 80_000, b"0\r\n" + b"a: b\r\n" * 20_000])
def test_what_is_not_body_is_limited(flood: bytes) -> None:
    parser = ResponseParser()
    parser.feed(CHUNKED)
    read = 0
    while not parser.ended:
        parser.feed(flood[read : read + 1000])
        read += 1000
    assert isinstance(parser.error, MalformedResponseError)
    assert read <= FRAMING_LIMIT + 1000


def test_many_small_chunks_are_no_flood() -> None:
    wire = CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"
    parser, body = parse(*(wire[start : start + 1000] for start in range(0, len(wire), 1000)))
    assert (parser.error, parser.ended, len(body)) == (None, True, 50_000)
