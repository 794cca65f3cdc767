"""Bodies are decompressed as they come, and never grow beyond the limit."""

from __future__ import annotations

import gzip
import itertools
import sys
import tracemalloc
import zlib

import pytest
from door_kit import House
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.ir.errors import InvalidRequestError, RequestTooLargeError
from antigravity.web.bodies import Body
from antigravity.web.errors import UnsupportedEncodingError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


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
    body = Body(max(len(data), len(wire), 1), coding)
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for start, stop in itertools.pairwise(places):
        body.feed(wire[start:stop])
    assert body.finish() == data


def test_one_byte_at_a_time() -> None:
    for coding, compress in CODINGS.items():
        body = Body(1000, coding)
        for byte in compress(b"hello, world"):
            body.feed(bytes([byte]))
        assert body.finish() == b"hello, world", coding


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_stopped_at_the_limit(coding: str) -> None:
    limit = 1024 * 1024
    bomb = CODINGS[coding](bytes(200 * limit))
    assert len(bomb) < limit
    tracemalloc.start()
    try:
        body = Body(limit, coding)
        with pytest.raises(RequestTooLargeError, match="max_body_bytes"):
            body.feed(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * limit


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_broken_compression(coding: str) -> None:
    with pytest.raises(InvalidRequestError, match="decompressed"):
        Body(1000, coding).feed(b"\xff" * 100)
    whole = CODINGS[coding](b"x" * 100)
    body = Body(1000, coding)
    body.feed(whole[:-1])
    with pytest.raises(InvalidRequestError, match="too early"):
        body.finish()


def test_a_window_that_would_take_much_memory_is_refused() -> None:
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    frame = compressor.compress(b"x") + compressor.flush()
    with pytest.raises(InvalidRequestError, match="decompressed"):
        Body(1000, "zstd").feed(frame)


@pytest.mark.parametrize("coding", ["br", "gzip, zstd", "compress", "gzip;q=1"])
def test_unknown_codings(coding: str) -> None:
    with pytest.raises(UnsupportedEncodingError):
        Body(1000, coding)


def test_exactly_the_limit_is_fine() -> None:
    body = Body(10)
    body.feed(b"12345")
    body.feed(b"67890")
    assert body.finish() == b"1234567890"
    with pytest.raises(RequestTooLargeError):
        body.feed(b"1")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_calls_get_the_plain_body(coding: str) -> None:
    house = House()
    data = b'{"model":"m"}' * 50
    answer = house.ask("POST", "/v1/messages", CODINGS[coding](data), f"Content-Encoding: {coding}")
    assert answer.status == 200
    call = house.exchange.call
    assert call.body == data
    assert not {"content-encoding", "content-length"} & set(call.headers)


def test_an_unknown_coding_is_415_and_says_what_works() -> None:
    house = House()
    answer = house.ask("POST", "/v1/responses", b"x", "Content-Encoding: br")
    assert answer.status == 415
    assert answer.json["shape"] == "openai_responses"
    assert answer.headers["accept-encoding"] == "gzip, deflate, zstd"


def test_a_truncated_body_is_400_and_the_connection_lives_on() -> None:
    house = House()
    short = gzip.compress(b"x" * 99)[:-4]
    assert house.ask("POST", "/v1/messages", short, "Content-Encoding: gzip").status == 400
    assert house.ask("POST", "/v1/messages", b"{}").status == 200
    house.close()


def test_a_bomb_at_the_door() -> None:
    house = House(max_body_bytes=100_000)
    bomb = gzip.compress(bytes(10_000_000))
    answer = house.ask("POST", "/v1/messages", bomb, "Content-Encoding: gzip")
    assert answer.status == 413
    assert answer.json["shape"] == "anthropic"
    assert not house.exchange.calls


def test_forms_are_not_parsed() -> None:
    house = House()
    headers = ["Content-Type: multipart/form-data; boundary=x"]
    assert house.ask("POST", "/v1/chat/completions?a=b", b"--x garbage", *headers).status == 200
    assert house.exchange.call.body == b"--x garbage"
    assert house.exchange.call.query == {"a": "b"}
