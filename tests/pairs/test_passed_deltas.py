"""Deltas that pass many at a time: everything is as if each event had been looked at."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antigravity.exchange.streams.passed_through import PassedThroughStream, ReframedStream
from antigravity.exchange.streams.tapped_stream import TappedStream
from antigravity.ir.events import Event
from tests.pairs.streams import reply_context, wire
from tests.support.chunks import split_bytes
from tests.support.protocols import CLIENTS, SERVERS, call_of
from tests.support.responses import HAND_WRITTEN

#: The events of many responses, and some that only servers with faults send.
_EVENTS = {
    name: sorted(
        {
            event
            for response in HAND_WRITTEN.values()
            for event in wire(name, response).split(b"\n\n")
            if event
        }
    )
    for name in CLIENTS
}
_ODD = (
    b'data: {"error":{"message":"no key sk-abcdefghijklmnopqrstuvwx","type":"server_error"}}',
    b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy"}}',
    b'data: {"detail":"key sk-abcdefghijklmnopqrstuvwx is wrong"}',
    b"data: [DONE]",
    b": a comment",
    b"data: no JSON",
    b"data: {}",
    b'data: {"choices":[]}',
    b"event: ping\ndata: ping",
    b"id: 7",
    b'data: {"a":\ndata: 1}',
)
#: Texts of the responses that are replaced.
_WORDS = (b"Now", b"Yes", b"Hm", b"and so", b"Both:")
#: What a text is replaced by: each needs another look.
_TEXTS = (
    b"plain",
    b'a \\"quote\\" and a \\\\',
    b"error",
    b"finish_reason",
    b"\\ud83d",
    b"\\ude00",
    b"\\ud83d\\ude00",
    "\u00e9\ud55c".encode(),
    b"\xed\xa0\xbd",
    b"\xff",
    b'\\"usage\\":{\\"error\\":\\"x\\"}',
    b"",
)


def _unwrap(data: bytes) -> bytes:
    """Return the member ``response``, as that of Code Assist's envelope."""
    return data.removeprefix(b'{"response":').removesuffix(b"}") if b"response" in data else data


def _passed(name: str, *, fast: bool, framing: str = "") -> tuple[TappedStream, list[Event]]:
    tap: Any = CLIENTS[name].tap()
    collected: list[Event] = []
    if hasattr(tap, "collect"):
        tap.collect(collected.append, "gemini" if name == "gemini" else "claude", unsigned=True)
    server = SERVERS[name]
    stream: TappedStream
    if framing:
        call = call_of(name, {}, sse=framing == "events")
        make, failure = server.traits.framing.framer, server.traits.framing.encode_failure
        stream = ReframedStream(tap, server.keepalive, _unwrap, make(call), failure)
    else:
        stream = PassedThroughStream(tap, server.keepalive, server.encoder(reply_context(name)))
    assert stream._watch_deltas is not None
    if not fast:
        stream._watch_deltas = None
    return stream, collected


@st.composite
def _streams(draw: st.DrawFn, name: str) -> list[bytes]:
    """Draw a stream in chunks that mostly end where an event ends."""
    usual = st.sampled_from(_EVENTS[name])
    events = draw(st.lists(st.one_of(usual, usual, usual, st.sampled_from(_ODD)), max_size=8))
    text = draw(st.sampled_from(_TEXTS))
    ending = draw(st.sampled_from((b"\n", b"\r\n", b"\n", b"\r")))
    chunks: list[bytes] = []
    for event in events:
        for word in _WORDS:
            event = event.replace(b'"%b"' % word, b'"%b"' % text)
        event = event.replace(b"\n", ending)
        chunk = event + ending * 2
        repeats = draw(st.sampled_from((1, 1, 2, 3)))
        if draw(st.booleans()):
            chunks.append(chunk * repeats)
        else:
            chunks += [chunk] * repeats
    if draw(st.booleans()):
        sizes = draw(st.lists(st.integers(1, 300), max_size=12))
        chunks = split_bytes(b"".join(chunks), sizes)
    return chunks


@pytest.mark.parametrize(
    ("name", "framing"),
    [*((name, "") for name in CLIENTS), ("gemini", "events"), ("gemini", "array")],
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), enveloped=st.booleans())
def test_deltas_pass_as_if_each_was_looked_at(
    name: str, framing: str, data: st.DataObject, enveloped: bool
) -> None:
    chunks = data.draw(_streams(name))
    if framing and enveloped:
        chunks = [re.sub(rb"(?m)^data: (\{[^\r\n]*)", rb'data: {"response":\1}', c) for c in chunks]
    fast, seen = _passed(name, fast=True, framing=framing)
    slow, expected = _passed(name, fast=False, framing=framing)
    for chunk in chunks:
        assert fast.feed(chunk) == slow.feed(chunk)
        assert (fast.over, fast.meaningful, fast.usage) == (slow.over, slow.meaningful, slow.usage)
    assert fast.end(None) == slow.end(None)
    assert str(fast.failure) == str(slow.failure)
    assert (fast.meaningful, fast.usage, seen) == (slow.meaningful, slow.usage, expected)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("name", CLIENTS)
def test_text_deltas_need_no_look_one_by_one(name: str, ending: bytes) -> None:
    events = wire(name, HAND_WRITTEN["text"]).replace(b"\n", ending).split(ending * 2)
    begin = next(place for place, event in enumerate(events) if b'"Hel"' in event)
    stream, _ = _passed(name, fast=True)
    stream.feed(b"".join(event + ending * 2 for event in events[: begin + 1]))

    def look(*_: object) -> None:
        raise AssertionError("the event was looked at")

    stream._add = look  # type: ignore[assignment, method-assign]
    chunk = events[begin] + ending * 2
    assert stream.feed(chunk) == chunk
    assert stream.feed(chunk * 3) == chunk * 3
