"""Negotiation of compression, and messages that grow."""

from __future__ import annotations

import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from antigravity.websocket.deflate import Deflate, negotiate
from antigravity.websocket.framer import CloseReceived, Framer, Part, Text
from tests.support.frames import frame

BOTH = "server_no_context_takeover; client_no_context_takeover"
AGREED = Deflate("", 12, 12)


def packed(data: bytes) -> bytes:
    """Return a compressed message."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def text(data: bytes) -> bytes:
    """Return the frame of a compressed message."""
    return frame(Opcode.TEXT, data, rsv1=True)


@pytest.mark.parametrize(
    ("offer", "response"),
    [
        ("permessage-deflate", f"permessage-deflate; {BOTH}"),
        (
            "permessage-deflate; client_max_window_bits",
            f"permessage-deflate; {BOTH}; client_max_window_bits=12",
        ),
        (
            'x, permessage-deflate; client_max_window_bits="10"; server_max_window_bits=11',
            f"permessage-deflate; {BOTH}; client_max_window_bits=10; server_max_window_bits=11",
        ),
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            f"permessage-deflate; {BOTH}",
        ),
        ("permessage-deflate; client_no_context_takeover", f"permessage-deflate; {BOTH}"),
    ],
)
def test_first_possible_offer_is_accepted(offer: str, response: str) -> None:
    accepted = negotiate(offer)
    assert accepted is not None
    assert accepted.response == response


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; unknown",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    ],
)
def test_other_offers_are_declined(offer: str) -> None:
    assert negotiate(offer) is None


@given(st.text())
def test_no_offer_is_a_fault(offer: str) -> None:
    negotiate(offer)
    negotiate(f"permessage-deflate; {offer}")


def test_bomb_is_not_expanded() -> None:
    framer = Framer(64 * 1024, AGREED)
    bomb = text(packed(bytes(64 * 1024 * 1024)))
    assert len(bomb) < 128 * 1024
    tracemalloc.start()
    try:
        received = [
            each
            for n in range(0, len(bomb), 16384)
            for each in framer.receive(bomb[n : n + 16384])
            if not isinstance(each, Part)
        ]
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()
    (end,) = received
    assert isinstance(end, CloseReceived)
    assert (end.code, end.is_fault) == (1009, True)


def test_message_of_exactly_the_limit_is_read() -> None:
    data = b"x" * 1000
    assert list(Framer(1000, AGREED).receive(text(packed(data)))) == [Text(data)]
    (end,) = Framer(999, AGREED).receive(text(packed(data)))
    assert isinstance(end, CloseReceived)
    assert end.code == 1009


def test_damaged_message_is_refused() -> None:
    (end,) = Framer(1000, AGREED).receive(text(b"\xff\xff\xff\xff"))
    assert isinstance(end, CloseReceived)
    assert end.code == 1007


def test_compressed_message_needs_an_agreement() -> None:
    (end,) = Framer(1000).receive(text(packed(b"x")))
    assert isinstance(end, CloseReceived)
    assert end.code == 1002


def test_large_message_is_expanded_in_steps() -> None:
    framer = Framer(64 * 1024 * 1024, AGREED)
    bomb = text(packed(bytes(16 * 1024 * 1024)))
    tracemalloc.start()
    try:
        step = next(framer.receive(bomb))
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert step == Part()


def test_only_the_first_frame_says_that_it_is_compressed() -> None:
    framer = Framer(1000, AGREED)
    data = packed(b"some text")
    begun = framer.receive(frame(Opcode.TEXT, data[:4], fin=False, rsv1=True))
    assert list(begun) == [Part()]
    (end,) = framer.receive(frame(Opcode.CONT, data[4:], rsv1=True))
    assert isinstance(end, CloseReceived)
    assert end.code == 1002


def test_bytes_after_the_last_block_are_dropped() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    data = deflater.compress(b"text") + deflater.flush()  # with a last block
    framer = Framer(1000, AGREED)
    assert list(framer.receive(text(data + b"\0"))) == [Text(b"text")]
    assert list(framer.receive(text(packed(b"next")))) == [Text(b"next")]


def test_large_messages_are_sent_compressed() -> None:
    framer = Framer(0, AGREED, 100)
    large = framer.text(json.dumps(["word"] * 1000).encode())
    assert large[0] == 0xC1
    assert len(large) < 100
    assert framer.text(b"short")[0] == 0x81
    assert Framer(0, AGREED).text(bytes(1000))[0] == 0x81
