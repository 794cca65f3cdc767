"""The usage of a response that broke off: what was reported, and estimates of the rest."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.exchange.streams.event_source import EventSource
from antigravity.exchange.streams.passed_through import PassedThroughStream
from antigravity.exchange.usage_so_far import usage_so_far
from antigravity.ir.events import (
    Event,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from antigravity.ir.usage import Usage
from antigravity.lowering.pipeline import EventPipeline
from tests.support.chunks import split_bytes
from tests.support.protocols import CLIENTS, SERVERS, context

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
BODY = b'{"model":"m","messages":[]}'
SENT = len(BODY) // 4 + 1


def found(reported: Usage | None, output: int, *, talks: bool = True) -> tuple[Usage | None, bool]:
    outline = SimpleNamespace(body=BODY)
    request: Any = SimpleNamespace(is_conversation=talks, outline=outline, shortened=None)
    translator: Any = SimpleNamespace(usage=reported, estimate_output=lambda: output)
    return usage_so_far(request, translator)


def test_nothing_reported_is_estimated() -> None:
    assert found(None, 5) == (Usage(input_total=SENT, output=5), True)


def test_reported_input_counts() -> None:
    reported = Usage(input_total=100, cached=40, output=1)
    assert found(reported, 5) == (Usage(input_total=100, cached=40, output=5), True)


def test_reported_output_counts_if_it_is_more() -> None:
    reported = Usage(input_total=100, output=7)
    assert found(reported, 5) == (reported, False)


@pytest.mark.parametrize("reported", [None, Usage(input_total=3)])
def test_response_without_text_is_not_estimated(reported: Usage | None) -> None:
    assert found(reported, 0) == (reported, False)
    assert found(reported, 5, talks=False) == (reported, False)


def delta(text: str, padding: str = "") -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: %b\n\n" % json.dumps({"choices": [choice], "obfuscation": padding}).encode()


def estimated(chunks: list[bytes]) -> int:
    server = SERVERS["openai_chat"]
    encoder = server.encoder(context("openai_chat", REQUEST))
    stream = PassedThroughStream(CLIENTS["openai_chat"].tap(), server.keepalive, encoder)
    for each in chunks:
        stream.feed(each)
    first = stream.estimate_output()
    assert stream.estimate_output() == first
    return first


def test_each_delta_is_a_token() -> None:
    assert estimated([delta("a", "x" * size) for size in range(40)]) == 40


def test_long_deltas_are_several_tokens() -> None:
    assert estimated([delta("four" * 10)] * 20) >= 170


@given(
    st.lists(st.sampled_from(("a", "some words", "\u00e9", '"', "error", "")), max_size=30),
    st.lists(st.integers(0, 300), max_size=20),
)
def test_estimate_is_near_the_text_for_any_chunks(texts: list[str], sizes: list[int]) -> None:
    data = b"".join(map(delta, texts))
    tokens = estimated(split_bytes(data, sizes))
    assert len(texts) <= tokens <= len(texts) + sum(map(len, texts))


class EventDecoder:
    """Decodes each event of the upstream to the next of some events."""

    def __init__(self, events: list[Event]) -> None:
        self._events = iter(events)

    def decode(self, frame: Any) -> list[Event]:
        return [next(self._events)]

    def close(self) -> list[Event]:
        return []


def translated(*events: Event) -> int:
    """Return the estimate for events that are translated."""
    decoder: Any = EventDecoder(list(events))
    source = EventSource(decoder, EventPipeline(()), None, None, lambda: 1)
    source.feed(b"data: {}\n\n" * len(events))
    return source.estimate_output()


@pytest.mark.parametrize("kind", [TextDelta, ThinkingDelta, RefusalDelta])
def test_texts_of_translated_streams_are_estimated(kind: Any) -> None:
    assert translated(kind("four" * 5)) == 5
    assert translated(kind("four" * 5), kind("four" * 5)) == 10
    assert translated(kind("\u4e2d\u6587\u5b57")) == 2


def test_tool_calls_of_translated_streams_are_estimated() -> None:
    call = ToolCallStart(0, "call_1", "find")
    begun, rest = ToolCallDelta(0, '{"path":"some/'), ToolCallDelta(0, 'file.py"}')
    assert translated(call) == 1
    assert translated(call, begun, rest, ToolCallEnd(0)) == 7
    assert translated(TextDelta("four"), call, begun, rest, ToolCallEnd(0)) == 8
