"""Compressed responses are decompressed within limits."""

from __future__ import annotations

import gzip
import sys
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.web.client import ResponseDone

from antigravity.ir.errors import UnusableResponseError, UpstreamError
from antigravity.transport import content_coding
from antigravity.transport.content_coding import MAX_FRAMES, decoder_for
from tests.support.chunks import split_bytes
from tests.support.fake_upstream import CHUNKED, Peer, Received, chunk, ok
from tests.transport.fixtures import Reader, TransportTestCase

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"".join(b"data: {%d}\n\n" % number for number in range(3000))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, bytes] = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]),
    "deflate": zlib.compress(TEXT),
    "Deflate ": raw_deflate(TEXT),
    "zstd": zstd.compress(TEXT),
    "gzip, zstd": zstd.compress(gzip.compress(TEXT)),
    "identity, gzip": gzip.compress(TEXT),
}


def unpack(name: str, data: bytes, sizes: list[int] | None = None) -> bytes:
    decoder = decoder_for(name)
    assert decoder is not None
    chunks = split_bytes(data, sizes or [])
    out = b"".join(b"".join(decoder.feed(chunk)) for chunk in chunks)
    return out + b"".join(decoder.end())


@pytest.mark.parametrize("name", PACKED)
@given(sizes=st.lists(st.integers(1, 300), max_size=20))
def test_body_is_decompressed_in_any_segmentation(name: str, sizes: list[int]) -> None:
    assert unpack(name, PACKED[name], sizes) == TEXT


@pytest.mark.parametrize("name", ["", "identity", "UTF-8", "none"])
def test_plain_coding_needs_no_decoder(name: str) -> None:
    assert decoder_for(name) is None


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_plain_body_with_a_coding_is_passed_on(name: str) -> None:
    assert unpack(name, b'{"a":1}', [1, 1, 1]) == b'{"a":1}'
    assert unpack(name, b"") == b""
    assert unpack(name, b"{") == b"{"


@pytest.mark.parametrize("name", ["compress", "gzip, gzip, gzip, gzip"])
def test_unsupported_coding_error_names_the_remedy(name: str) -> None:
    with pytest.raises(UnusableResponseError, match="turn compression off"):
        decoder_for(name)


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
def test_truncated_body_fails(name: str) -> None:
    with pytest.raises(UpstreamError, match="cut off"):
        unpack(name, PACKED[name][:-10])


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_corrupt_body_fails(name: str) -> None:
    with pytest.raises(UpstreamError, match="cannot be decompressed"):
        unpack(name, PACKED[name][:8] + b"\xff" * 100)


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_decompression_bomb_is_refused_early(pack: Any) -> None:
    data = pack(bytes(100_000_000))
    decoder = decoder_for("zstd" if pack is zstd.compress else "gzip")
    assert decoder is not None
    sizes: list[int] = []

    def unpack_all() -> None:
        for place in range(0, len(data), 1000):
            sizes.extend(map(len, decoder.feed(data[place : place + 1000])))

    with pytest.raises(UnusableResponseError, match="times its size"):
        unpack_all()
    assert max(sizes) <= content_coding.PIECE
    assert sum(sizes) < 10_000_000


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_number_of_frames_is_limited(pack: Any) -> None:
    with pytest.raises(UnusableResponseError, match="frames"):
        unpack("zstd" if pack is zstd.compress else "gzip", pack(b"") * (MAX_FRAMES + 1))


def test_brotli_uses_the_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    class Decompressor:
        """As the package ``Brotli`` has it: bounded output, the rest on the next call."""

        def __init__(self) -> None:
            self._rest = b""
            self._ended = False

        def process(self, data: bytes, output_buffer_limit: int) -> bytes:
            self._rest += data
            out, self._rest = self._rest[:output_buffer_limit], self._rest[output_buffer_limit:]
            self._ended = out.endswith(b"]")
            return out

        def is_finished(self) -> bool:
            return self._ended

    module = SimpleNamespace(Decompressor=Decompressor)
    monkeypatch.setitem(sys.modules, "brotli", module)
    assert unpack("br", b"[1, 2]", [2]) == b"[1, 2]"
    monkeypatch.setitem(sys.modules, "brotli", None)
    with pytest.raises(UnusableResponseError, match="br"):
        decoder_for("br")


class Compressed(TransportTestCase):
    def answer_with(self, body: bytes, name: str) -> None:
        def answer(peer: Peer, request: Received) -> None:
            assert request.headers["accept-encoding"] == "identity"
            peer.write(ok(body, f"Content-Encoding: {name}", "Content-Type: text/event-stream"))

        self.serve(answer)

    async def test_response_hides_its_coding(self) -> None:
        for name in ("gzip", "deflate", "zstd"):
            self.answer_with(PACKED[name], name)
            response = await self.transport.send(self.request())
            self.assertNotIn("content-encoding", response.headers())
            self.assertNotIn("content-length", response.headers())
            self.assertEqual(await response.collect(10**6), TEXT)

    async def test_stream_is_decompressed_as_it_arrives(self) -> None:
        packer = zlib.compressobj(wbits=31)
        first = packer.compress(b"one") + packer.flush(zlib.Z_SYNC_FLUSH)
        head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        script = self.serve(lambda peer, _: peer.write(head + chunk(first)))
        response = await self.transport.send(self.request())
        reader = Reader()
        response.deliver(reader)
        await reader.some
        self.assertEqual(reader.data, b"one")
        script.peers[0].write(chunk(packer.compress(b" two") + packer.flush()) + chunk(b""))
        self.assertIsInstance(await reader.done, ResponseDone)
        self.assertEqual(reader.data, b"one two")

    async def test_limit_holds_for_the_decompressed_size(self) -> None:
        self.answer_with(gzip.compress(bytes(100_000)), "gzip")
        response = await self.transport.send(self.request())
        error = await self.failing(response.collect(50_000), UpstreamError)
        self.assertEqual(error.code, "answer_too_large")

    async def test_decompression_bomb_fails_the_response(self) -> None:
        self.answer_with(gzip.compress(bytes(50_000_000)), "gzip")
        response = await self.transport.send(self.request())
        error = await self.failing(response.collect(10**9), UnusableResponseError)
        self.assertEqual(error.code, "bad_compression")

    async def test_unsupported_coding_fails_the_response(self) -> None:
        self.answer_with(b"x", "compress")
        response = await self.transport.send(self.request())
        error = await self.failing(response.collect(100), UnusableResponseError)
        self.assertIn("compress", error.message)
