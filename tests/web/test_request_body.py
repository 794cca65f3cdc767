"""Bodies are decompressed as they arrive, and never exceed the limit."""

from __future__ import annotations

import gzip
import itertools
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Cooperator

from antigravity.ir.errors import InvalidRequestError, RequestTooLargeError
from antigravity.web.errors import UnsupportedEncodingError
from antigravity.web.request_body import MAX_FRAMES, RequestBody
from tests.web.builders import WebHarness

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def feed_all(body: RequestBody, data: bytes) -> None:
    """Feed ``data``, and decompress all of it."""
    body.feed(data)
    while not body.advance():
        pass


CODINGS = {
    "": lambda data: data,
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
    "deflate": zlib.compress,
    " deflate": raw_deflate,
    "zstd": zstd.compress,
    "ZSTD": lambda data: zstd.compress(data[:5]) + zstd.compress(data[5:]),
}


@settings(deadline=None)
@given(
    st.binary(max_size=2000),
    st.sampled_from(sorted(CODINGS)),
    st.lists(st.integers(0, 3000), max_size=8),
)
def test_any_chunking_gives_the_same_body(data: bytes, coding: str, cuts: list[int]) -> None:
    wire = CODINGS[coding](data)
    body = RequestBody(max(len(data), len(wire), 1), coding)
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for start, stop in itertools.pairwise(places):
        body.feed(wire[start:stop])
    feed_all(body, b"")
    assert body.finish() == data


@settings(deadline=None)
@given(
    st.binary(min_size=1, max_size=100),
    st.integers(1, 40),
    st.sampled_from(["gzip", "deflate", "zstd"]),
    st.integers(1, 3000),
)
def test_body_of_many_long_frames_is_decompressed(
    data: bytes, frames: int, coding: str, cut: int
) -> None:
    plain = data * 10_000
    wire = CODINGS[coding](plain) * frames
    body = RequestBody(100 * 1024 * 1024, coding)
    body.feed(wire[:cut])
    feed_all(body, wire[cut:])
    assert body.finish() == plain * frames


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_one_step_decompresses_a_bounded_amount(coding: str) -> None:
    body = RequestBody(100 * 1024 * 1024, coding)
    body.feed(CODINGS[coding](bytes(10 * 1024 * 1024)))
    sizes = [body._size]
    while not body.advance():
        sizes.append(body._size)
    assert max(later - sooner for sooner, later in itertools.pairwise(sizes)) < 1024 * 1024
    assert len(sizes) > 10
    assert body.finish() == bytes(10 * 1024 * 1024)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_body_of_too_many_frames_is_refused(coding: str) -> None:
    frame = CODINGS[coding](b"")
    body = RequestBody(100 * 1024 * 1024, coding)
    feed_all(body, frame * MAX_FRAMES)
    assert body.finish() == b""
    with pytest.raises(InvalidRequestError, match="frames"):
        body.feed(frame)


def test_skippable_frames_count_too() -> None:
    body = RequestBody(100 * 1024 * 1024, "zstd")
    with pytest.raises(InvalidRequestError, match="frames"):
        feed_all(body, b"\x50\x2a\x4d\x18\0\0\0\0" * 200_000)


def test_decompression_yields_to_other_requests() -> None:
    web = WebHarness()
    one_step = lambda: lambda: True  # noqa: E731
    web.site.cooperator = Cooperator(one_step, lambda call: web.clock.callLater(1, call))
    plain = bytes(5 * 1024 * 1024)
    wire = gzip.compress(plain)
    head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(wire)}\r\n"
    slow = web.transport, web.channel
    web.send(f"{head}Content-Encoding: gzip\r\n\r\n".encode() + wire)
    turns = 0
    while not web.exchange.calls:
        web.connect()
        assert web.request("GET", "/healthz").status == 200
        web.lose()
        web.clock.advance(1)
        turns += 1
    assert turns > 10
    assert web.exchange.call.body == plain
    web.transport, web.channel = slow
    assert [response.status for response in web.responses()] == [200]
    web.close()


def test_disconnect_stops_the_decompression() -> None:
    web = WebHarness()
    wire = gzip.compress(bytes(50 * 1024 * 1024))
    head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(wire)}\r\n"
    web.send(f"{head}Content-Encoding: gzip\r\n\r\n".encode() + wire)
    assert web.clock.getDelayedCalls()
    web.close()
    assert not web.exchange.calls


def test_body_that_is_corrupt_at_its_end_is_refused() -> None:
    web = WebHarness()
    wire = gzip.compress(bytes(5 * 1024 * 1024))[:-8] + b"\xff" * 8
    head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(wire)}\r\n"
    web.send(f"{head}Content-Encoding: gzip\r\n\r\n".encode() + wire)
    while not web.wire():
        web.clock.advance(0)
    assert [response.status for response in web.responses()] == [400]
    assert web.request("POST", "/v1/messages", b"{}").status == 200
    web.close()


def test_body_may_arrive_byte_by_byte() -> None:
    for coding, compress in CODINGS.items():
        body = RequestBody(1000, coding)
        for byte in compress(b"hello, world"):
            body.feed(bytes([byte]))
        assert body.finish() == b"hello, world", coding


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_decompression_stops_at_the_limit(coding: str) -> None:
    limit = 1024 * 1024
    bomb = CODINGS[coding](bytes(200 * limit))
    assert len(bomb) < limit
    tracemalloc.start()
    try:
        body = RequestBody(limit, coding)
        with pytest.raises(RequestTooLargeError, match="max_body_bytes"):
            feed_all(body, bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * limit


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_corrupt_compression_is_refused(coding: str) -> None:
    with pytest.raises(InvalidRequestError, match="decompressed"):
        RequestBody(1000, coding).feed(b"\xff" * 100)
    whole = CODINGS[coding](b"x" * 100)
    body = RequestBody(1000, coding)
    body.feed(whole[:-1])
    with pytest.raises(InvalidRequestError, match="too early"):
        body.finish()


def test_window_beyond_the_limit_is_refused() -> None:
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    frame = compressor.compress(b"x") + compressor.flush()
    with pytest.raises(InvalidRequestError, match="decompressed"):
        RequestBody(1000, "zstd").feed(frame)


@pytest.mark.parametrize("coding", ["br", "gzip, zstd", "compress", "gzip;q=1"])
def test_unknown_coding_is_refused(coding: str) -> None:
    with pytest.raises(UnsupportedEncodingError):
        RequestBody(1000, coding)


def test_body_may_have_exactly_the_limit() -> None:
    body = RequestBody(10)
    body.feed(b"12345")
    body.feed(b"67890")
    assert body.finish() == b"1234567890"
    with pytest.raises(RequestTooLargeError):
        body.feed(b"1")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_call_has_the_decompressed_body(coding: str) -> None:
    web = WebHarness()
    data = b'{"model":"m"}' * 50
    response = web.request(
        "POST", "/v1/messages", CODINGS[coding](data), f"Content-Encoding: {coding}"
    )
    assert response.status == 200
    call = web.exchange.call
    assert call.body == data
    assert not {"content-encoding", "content-length"} & set(call.headers)


def test_unknown_coding_is_415_and_names_the_supported_ones() -> None:
    web = WebHarness()
    response = web.request("POST", "/v1/responses", b"x", "Content-Encoding: br")
    assert response.status == 415
    assert response.json["shape"] == "openai_responses"
    assert response.headers["accept-encoding"] == "gzip, deflate, zstd"


def test_truncated_body_is_400_and_keeps_the_connection() -> None:
    web = WebHarness()
    short = gzip.compress(b"x" * 99)[:-4]
    assert web.request("POST", "/v1/messages", short, "Content-Encoding: gzip").status == 400
    assert web.request("POST", "/v1/messages", b"{}").status == 200
    web.close()


def test_decompression_beyond_the_limit_is_413() -> None:
    web = WebHarness(max_body_bytes=100_000)
    bomb = gzip.compress(bytes(10_000_000))
    response = web.request("POST", "/v1/messages", bomb, "Content-Encoding: gzip")
    assert response.status == 413
    assert response.json["shape"] == "anthropic"
    assert not web.exchange.calls


def test_forms_are_not_parsed() -> None:
    web = WebHarness()
    headers = ["Content-Type: multipart/form-data; boundary=x"]
    assert web.request("POST", "/v1/chat/completions?a=b", b"--x garbage", *headers).status == 200
    assert web.exchange.call.body == b"--x garbage"
    assert web.exchange.call.query == {"a": "b"}


@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
@pytest.mark.parametrize("body", [b'{"a": 1}', b' \r\n[{"a": 1}]'])
def test_byte_order_mark_before_json_is_left_out(coding: str, body: bytes) -> None:
    collected = RequestBody(1000, coding)
    feed_all(collected, CODINGS[coding](b"\xef\xbb\xbf" + body))
    assert collected.finish() == body


@pytest.mark.parametrize("body", [b"\xef\xbb\xbfplain text", b"\xef\xbb\xbf", b'\xef\xbb{"a": 1}'])
def test_other_bodies_keep_their_first_bytes(body: bytes) -> None:
    collected = RequestBody(1000)
    feed_all(collected, body)
    assert collected.finish() == body
