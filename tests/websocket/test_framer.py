"""Frames cut anywhere, in any form that a client may send, and forms that it may not."""

from __future__ import annotations

import itertools
import tracemalloc
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from antigravity.websocket.deflate import MAX_FRAMES, Deflate
from antigravity.websocket.framer import (
    Binary,
    CloseReceived,
    Framer,
    Part,
    PingReceived,
    PongReceived,
    Received,
    Text,
)
from tests.support.frames import frame

AGREED = Deflate("", 15, 15)


def receive(framer: Framer, wire: bytes, cuts: Sequence[int] = ()) -> list[Received]:
    """Return the whole messages in bytes that are cut at these places, and their end."""
    edges = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    pieces = [wire[a:b] for a, b in itertools.pairwise(edges)]
    received = (each for piece in pieces for each in framer.receive(piece))
    return [each for each in received if not isinstance(each, Part)]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Received]]:
    """Return frames of a client, and what they mean."""
    wire = b""
    meaning: list[Received] = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["text", "binary", "ping", "pong"]))
        if kind == "ping":
            data = draw(st.binary(max_size=125))
            wire += frame(Opcode.PING, data)
            meaning.append(PingReceived(data))
            continue
        if kind == "pong":
            wire += frame(Opcode.PONG, draw(st.binary(max_size=125)))
            meaning.append(PongReceived())
            continue
        is_text = kind == "text"
        data = draw(st.text(max_size=300)).encode() if is_text else draw(st.binary(max_size=300))
        meaning_of_data: Received = Text(data) if is_text else Binary()
        compressed = draw(st.booleans())
        if compressed:
            deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
            data = (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        for number, part in enumerate(parts):
            opcode = Opcode.CONT if number else (Opcode.TEXT if is_text else Opcode.BINARY)
            last = number == len(parts) - 1
            wire += frame(opcode, part, fin=last, rsv1=compressed and not number)
            if not last and draw(st.booleans()):
                wire += frame(Opcode.PING, b"within")
                meaning.append(PingReceived(b"within"))
        meaning.append(meaning_of_data)
    return wire, meaning


@settings(max_examples=200, deadline=None)
@given(conversations(), st.lists(st.integers(0, 10_000), max_size=20))
def test_messages_do_not_depend_on_where_bytes_are_cut(
    conversation: tuple[bytes, list[Received]], cuts: list[int]
) -> None:
    wire, meaning = conversation
    assert receive(Framer(10_000, AGREED), wire, cuts) == meaning


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_garbage_never_raises(wire: bytes, cuts: list[int]) -> None:
    receive(Framer(1000, AGREED), wire, cuts)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002),
        (b"\x83\x80" + b"mask", 1002),  # no such opcode
        (b"\xa1\x81" + b"mask" + b"x", 1002),  # a reserved bit
        (frame(Opcode.CONT, b"x"), 1002),
        (frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"y"), 1002),
        (b"\x09\x80" + b"mask", 1002),  # a ping in parts
        (b"\x89\xfe\x00\x7e" + b"mask" + bytes(126), 1002),  # a long ping
        (b"\x81\xfe\x00\x01" + b"mask" + b"x", 1002),  # a length in more bytes than it needs
        (b"\x81\xff" + b"\xff" * 8 + b"mask", 1002),
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (frame(Opcode.TEXT, b"\xe2\x82"), 1007),
        (b"\x81\xff" + (2**40).to_bytes(8, "big") + b"mask", 1009),
        (frame(Opcode.TEXT, b"x" * 1001), 1009),
        (frame(Opcode.TEXT, b"x" * 600, fin=False) + frame(Opcode.CONT, b"x" * 600), 1009),
        (frame(Opcode.BINARY, b"x" * 1001), 1009),
        (frame(Opcode.CLOSE, b"x"), 1002),
        (frame(Opcode.CLOSE, (1005).to_bytes(2, "big")), 1002),
        (frame(Opcode.CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    ],
    ids=itertools.count(),
)
def test_faults_close_the_connection(wire: bytes, code: int) -> None:
    framer = Framer(1000)
    (end,) = receive(framer, wire)
    assert isinstance(end, CloseReceived)
    assert (end.code, end.is_fault) == (code, True)
    assert not receive(framer, frame(Opcode.TEXT, b"more"))
    sent = framer.close(end.code, end.reason)
    assert sent[0] == 0x88
    assert Close.parse(sent[2:]).code == code


def test_message_in_too_many_frames_is_refused() -> None:
    framer = Framer(0)
    wire = frame(Opcode.TEXT, fin=False) + frame(Opcode.CONT, fin=False) * MAX_FRAMES
    (end,) = receive(framer, wire)
    assert isinstance(end, CloseReceived)
    assert end.code == 1008


def test_message_in_tiny_pieces_takes_little_more_memory_than_its_bytes() -> None:
    count, letter = 5_000, "é".encode()
    wire = frame(Opcode.TEXT, letter * count)
    begin = len(wire) - len(letter) * count
    framer = Framer(len(wire))
    assert receive(framer, wire[:begin]) == []
    pieces = [wire[place : place + 2] for place in range(begin, len(wire), 2)]
    tracemalloc.start()
    try:
        for piece in pieces[:-1]:
            assert receive(framer, piece) == []
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 3 * len(letter) * count
    assert list(framer.receive(pieces[-1])) == [Text(letter * count)]


def test_close_of_the_client_is_answered_with_its_code() -> None:
    framer = Framer(0)
    (end,) = receive(framer, frame(Opcode.CLOSE, Close(3001, "bye").serialize()))
    assert end == CloseReceived(3001, False, "bye")
    assert Close.parse(framer.close(end.code, end.reason)[2:]) == Close(3001, "bye")
    assert not framer.can_close


def test_close_without_code_is_answered_without_code() -> None:
    framer = Framer(0)
    (end,) = receive(framer, frame(Opcode.CLOSE))
    assert isinstance(end, CloseReceived)
    assert framer.close(end.code, end.reason) == b"\x88\x00"
