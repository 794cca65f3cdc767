"""What a tap collects of an answer that is passed on is what a decoder would have found."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IReasoningTap
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.parts import Thinking
from antigravity.ir.request import Request
from antigravity.ir.signature import Signature
from antigravity.protocols.anthropic import client_tap as anthropic_tap
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.protocols.gemini import client_tap as gemini_tap
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.signatures.store import StoredThinking
from antigravity.signatures.thinking_recovery import SignatureCollector
from antigravity.sse import ServerSentEvent

CLIENTS: dict[str, Any] = {"anthropic": ANTHROPIC_CLIENT, "gemini": GEMINI_CLIENT}
REQUEST = Request("m", (), "anthropic")
Memories = dict[str, StoredThinking]


def decoded(name: str, events: Sequence[ServerSentEvent], family: str) -> Memories:
    """Return what is remembered of a stream that is translated."""
    found: Memories = {}
    collector = SignatureCollector(found.__setitem__)
    target = Target("m", Capabilities(family=family))
    decoder = CLIENTS[name].decoder(REQUEST, target)
    for event in events:
        for each in decoder.decode(event):
            collector.feed(each)
    return found


def tapped(name: str, events: Sequence[ServerSentEvent], family: str) -> Memories:
    """Return what is remembered of a stream that is passed on."""
    found: Memories = {}
    tap = CLIENTS[name].tap()
    tap.collect(SignatureCollector(found.__setitem__).feed, family)
    for event in events:
        tap.watch(event)
    return found


def whole(name: str, body: object, family: str) -> Memories:
    """Return what is remembered of a whole answer."""
    found: Memories = {}
    tap = CLIENTS[name].tap()
    tap.collect(SignatureCollector(found.__setitem__).feed, family)
    tap.watch_body(json.dumps(body).encode())
    return found


def events_of(blocks: Sequence[dict[str, Any]], *, named: bool = True) -> list[ServerSentEvent]:
    """Return the stream of a message with these blocks, thinking in two deltas."""
    values: list[dict[str, Any]] = [{"type": "message_start", "message": {}}]
    for index, block in enumerate(blocks):
        deltas: list[dict[str, Any]] = []
        begun = dict(block)
        if block["type"] == "thinking":
            text, signature = block["thinking"], block["signature"]
            begun |= {"thinking": "", "signature": ""}
            half = len(text) // 2
            deltas = [
                {"type": "thinking_delta", "thinking": text[:half]},
                {"type": "thinking_delta", "thinking": text[half:]},
                {"type": "signature_delta", "signature": signature},
            ]
        elif block["type"] == "text":
            begun["text"] = ""
            deltas = [{"type": "text_delta", "text": block["text"]}]
        values.append({"type": "content_block_start", "index": index, "content_block": begun})
        values += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
        values.append({"type": "content_block_stop", "index": index})
    values.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}})
    values.append({"type": "message_stop"})
    return [
        ServerSentEvent(value["type"] if named else "", json.dumps(value).encode())
        for value in values
    ]


def chunks_of(parts: Sequence[dict[str, Any]]) -> list[ServerSentEvent]:
    """Return a stream with a chunk for each part."""
    return [
        ServerSentEvent("", json.dumps({"candidates": [{"content": {"parts": [part]}}]}).encode())
        for part in parts
    ]


TEXTS = st.text(max_size=9) | st.sampled_from(['"thought', '"functionCall"', '"tool_use"'])
SIGNATURES = st.sampled_from(["c2lnbmVk", "c2lnbmF0dXJl"])
BLOCKS = st.lists(
    st.one_of(
        st.builds(
            lambda t, s: {"type": "thinking", "thinking": t, "signature": s}, TEXTS, SIGNATURES
        ),
        st.builds(lambda t: {"type": "text", "text": t}, TEXTS),
        st.just({"type": "redacted_thinking", "data": "xyz"}),
        st.just({"type": "tool_use", "name": "f", "input": {}}),
    ),
    max_size=8,
)
PARTS = st.lists(
    st.one_of(
        st.builds(
            lambda t, s: {"text": t, "thought": True, "thoughtSignature": s}, TEXTS, SIGNATURES
        ),
        st.builds(lambda t: {"text": t, "thought": True}, TEXTS),
        st.builds(lambda t: {"text": t}, TEXTS),
        st.builds(lambda s: {"functionCall": {"name": "f"}, "thoughtSignature": s}, SIGNATURES),
        st.just({"functionCall": {"name": "f", "args": {}}}),
    ),
    max_size=8,
)


def named(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items with an id for every call."""
    numbers = itertools.count()
    found = []
    for item in items:
        if item.get("type") == "tool_use":
            item = {**item, "id": f"call_{next(numbers)}"}
        elif "functionCall" in item:
            item = {**item, "functionCall": {**item["functionCall"], "id": f"call_{next(numbers)}"}}
        found.append(item)
    return found


@given(BLOCKS, st.booleans())
def test_tap_of_anthropic_stream(blocks: list[dict[str, Any]], with_names: bool) -> None:
    blocks = named(blocks)
    events = events_of(blocks, named=with_names)
    expected = decoded("anthropic", events, "claude")
    assert tapped("anthropic", events, "claude") == expected
    assert whole("anthropic", {"content": blocks}, "claude") == expected


@given(PARTS, st.sampled_from(["gemini", "claude"]))
def test_tap_of_gemini_stream(parts: list[dict[str, Any]], family: str) -> None:
    parts = named(parts)
    expected = decoded("gemini", chunks_of(parts), family)
    assert tapped("gemini", chunks_of(parts), family) == expected
    answer = {"candidates": [{"content": {"parts": parts}}]}
    assert whole("gemini", answer, family) == expected


def test_found_thinking() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm, so", "signature": "sig"},
        {"type": "text", "text": "well"},
        {"type": "tool_use", "id": "one", "name": "f", "input": {}},
        {"type": "tool_use", "id": "two", "name": "f", "input": {}},
    ]
    thought = Thinking("hm, so", Signature("sig", "claude"))
    assert tapped("anthropic", events_of(blocks), "claude") == {
        "one": StoredThinking(None, (thought,))
    }


def test_call_without_id_is_ignored() -> None:
    part = {"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}
    assert tapped("gemini", chunks_of([part]), "gemini") == {}


@pytest.mark.parametrize("name", CLIENTS)
def test_tap_without_listener_does_nothing(name: str) -> None:
    tap = CLIENTS[name].tap()
    verifyObject(IReasoningTap, tap)
    blocks = named([{"type": "thinking", "thinking": "x", "signature": "s"}, {"type": "tool_use"}])
    parts = named([{"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}])
    for event in events_of(blocks) if name == "anthropic" else chunks_of(parts):
        tap.watch(event)
    tap.watch_body(json.dumps({"content": blocks, "candidates": parts}).encode())


@pytest.mark.parametrize("name", CLIENTS)
def test_thinking_without_call_is_not_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(data: bytes) -> Any:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(anthropic_tap, "read_delta", decode)
    monkeypatch.setattr(gemini_tap.GeminiTap, "_report_chunk", decode)
    blocks = [
        {"type": "thinking", "thinking": "x" * 99, "signature": "sig"},
        {"type": "text", "text": "done"},
    ]
    parts = [{"text": "x" * 99, "thought": True, "thoughtSignature": "c2ln"}, {"text": "done"}]
    events = events_of(blocks) if name == "anthropic" else chunks_of(parts)
    assert tapped(name, events, "claude") == {}


@pytest.mark.parametrize(("name", "module"), [("anthropic", anthropic_tap), ("gemini", gemini_tap)])
def test_held_thinking_is_limited(name: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_HELD", 300)
    blocks = [
        *({"type": "thinking", "thinking": "x" * 50, "signature": "s"} for _ in range(9)),
        {"type": "tool_use", "id": "one", "name": "f"},
    ]
    parts = [
        *({"text": "x" * 50, "thought": True} for _ in range(9)),
        {"functionCall": {"name": "f", "id": "one"}, "thoughtSignature": "c2ln"},
    ]
    tap = CLIENTS[name].tap()
    found: Memories = {}
    tap.collect(SignatureCollector(found.__setitem__).feed, "claude")
    for event in events_of(blocks) if name == "anthropic" else chunks_of(parts):
        tap.watch(event)
        assert tap._held <= 1000
    assert (found, tap._thoughts) == ({}, [])


def test_thinking_blocks_without_text_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anthropic_tap, "_MAX_HELD", 10 * anthropic_tap._OVERHEAD)
    tap: Any = ANTHROPIC_CLIENT.tap()
    found: Memories = {}
    tap.collect(SignatureCollector(found.__setitem__).feed, "claude")
    block = {"type": "thinking", "thinking": "", "signature": ""}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    event = ServerSentEvent("content_block_start", json.dumps(start).encode())
    for _ in range(11):
        assert len(tap._thoughts) <= 10
        tap.watch(event)
    assert tap._thoughts == []


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_are_accepted(pieces: list[bytes]) -> None:
    for client in CLIENTS.values():
        tap = client.tap()
        tap.collect(lambda event: None, "claude")
        for data in pieces:
            for seasoned in (
                data,
                b'{"tool_use","signature"' + data,
                b'"thought"functionCall"' + data,
            ):
                tap.watch(ServerSentEvent("content_block_start", seasoned))
                tap.watch(ServerSentEvent("content_block_delta", seasoned))
                tap.watch_body(seasoned)
