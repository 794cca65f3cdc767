"""Deltas that pass many at a time: everything is as if each event had been looked at."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antigravity.exchange.streams.passed_through import PassedThroughStream, ReframedStream
from antigravity.exchange.streams.tapped_stream import TappedStream
from antigravity.ir.events import Event
from antigravity.sse import ServerSentEvent, SseDecoder
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
#: What texts are replaced by that differ from event to event.
_SOUND = (
    b"plain",
    b'a \\"quote\\"',
    b"error",
    b"errors",
    b"finish_reason",
    "\u00e9".encode(),
    b"",
    b":{",
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
        same = st.sampled_from(((text,), (text,), (text,) * 2, (text,) * 3))
        texts = draw(
            st.one_of(same, same, st.lists(st.sampled_from(_SOUND), min_size=1, max_size=3))
        )
        copies = []
        for each in texts:
            copy = event
            for word in _WORDS:
                copy = copy.replace(b'"%b"' % word, b'"%b"' % each)
            copies.append(copy.replace(b"\n", ending) + ending * 2)
        chunks += [b"".join(copies)] if draw(st.booleans()) else copies
    if draw(st.booleans()):
        sizes = draw(st.lists(st.integers(1, 300), max_size=12))
        chunks = split_bytes(b"".join(chunks), sizes)
    return chunks


def _decoded(data: bytes) -> list[ServerSentEvent]:
    decoder = SseDecoder()
    return [*decoder.feed(data), *decoder.close()]


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
        sent, wanted = fast.feed(chunk), slow.feed(chunk)
        if fast.over and not fast.meaningful:
            # The attempt has failed, and nothing is sent.  Of a large chunk the rest is not read.
            assert slow.failure or slow._tap.failure
            return
        if getattr(slow, "_rewrites", False) or slow.failure is not None:
            # A changed event changes the form of those before it in the same part of a chunk.
            assert _decoded(sent) == _decoded(wanted)
        else:
            assert sent == wanted
        assert (fast.over, fast.meaningful, fast.usage) == (slow.over, slow.meaningful, slow.usage)
    if getattr(slow, "_rewrites", False) or slow.failure is not None:
        assert _decoded(fast.end(None)) == _decoded(slow.end(None))
    else:
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


@pytest.mark.parametrize("name", CLIENTS)
def test_other_text_is_not_looked_at(name: str) -> None:
    events = wire(name, HAND_WRITTEN["text"]).split(b"\n\n")
    begin = next(place for place, event in enumerate(events) if b'"Hel"' in event)
    stream, _ = _passed(name, fast=True)
    stream.feed(b"".join(event + b"\n\n" for event in events[: begin + 1]))
    delta = events[begin] + b"\n\n"
    assert stream.feed(delta) == delta
    looked_at: list[bytes] = []

    def note(data: bytes) -> None:
        looked_at.append(data)

    stream._deltas = note  # type: ignore[method-assign]
    other = delta.replace(b'"Hel"', b'"Hal"')
    assert stream.feed(other) == other
    assert stream.feed(other + delta) == other + delta
    assert not looked_at
    quoted = delta.replace(b'"Hel"', b'"\\"Hal"')
    assert stream.feed(quoted) == quoted
    assert looked_at == [quoted]


def test_texts_that_a_tap_holds_are_looked_at() -> None:
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    delta = _event("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"})
    stream, _ = _passed("anthropic", fast=True)
    stream.feed(_event("content_block_start", index=0, content_block=thinking))
    looked_at = []
    watch = stream._watch_deltas
    assert watch is not None

    def note(*arguments: Any) -> bool:
        looked_at.append(arguments)
        return watch(*arguments)

    stream._watch_deltas = note
    for text in (b"a", b"b", b"c"):
        stream.feed(delta.replace(b'"a"', b'"%b"' % text))
    assert len(looked_at) == 3


def test_no_event_is_lost_whose_last_line_feed_comes_later() -> None:
    stream, _ = _passed("openai_chat", fast=True)
    data = [
        b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}' % text
        for text in (b"One", b"Two", b"Three", b"\\ud83d x")
    ]
    blank = b"\r\n\r\n"
    cut = len(blank.join(data[:3]) + blank) - 1
    whole = blank.join(data) + blank
    out = stream.feed(whole[:cut]) + stream.feed(whole[cut:])
    texts = [json.loads(event.data)["choices"][0]["delta"]["content"] for event in _decoded(out)]
    assert texts[:3] == ["One", "Two", "Three"]
    assert len(texts) == 4


def _event(name: str, **fields: object) -> bytes:
    data = json.dumps({"type": name, **fields}, separators=(",", ":")).encode()
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
