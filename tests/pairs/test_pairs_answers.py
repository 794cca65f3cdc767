"""An answer means the same for the client as it did for the upstream, streamed or whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antigravity.exchange.streams.translated import ResponseCollector, TranslatedStream
from antigravity.ir.events import Event
from antigravity.ir.response import Response, fold
from antigravity.sse import SseDecoder
from tests.pairs.streams import (
    read,
    reply_context,
    source,
    whole_wire,
    wire,
)
from tests.support.chunks import split_bytes
from tests.support.protocols import PAIRS, SERVERS
from tests.support.responses import HAND_WRITTEN, answers, sense


def translate(server: str, client: str, data: bytes, sizes: Sequence[int] = ()) -> bytes:
    """Return the client's stream for an upstream's, which arrives in pieces."""
    stream = TranslatedStream(source(client), SERVERS[server].encoder(reply_context(server)))
    out = b"".join(stream.feed(chunk) for chunk in split_bytes(data, sizes)) + stream.end(None)
    assert stream.failure is None
    assert stream.meaningful
    assert stream.over
    return out


def completion_sense(data: bytes) -> dict[str, Any]:
    """Read a stream of legacy completions: there is no client for them."""
    frames = [f.data for f in SseDecoder().feed(data)]
    assert frames.pop() == b"[DONE]"
    chunks = [json.loads(frame) for frame in frames]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    reasons = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    usage = chunks[-1]["usage"]
    return {
        "text": "".join(choice["text"] for choice in choices),
        "finish": reasons,
        "usage": (
            usage["prompt_tokens"],
            usage["prompt_tokens_details"]["cached_tokens"],
            usage["completion_tokens"],
        ),
    }


def whole_sense(server: str, body: bytes) -> dict[str, Any]:
    """Read a whole answer with nothing of the gateway's."""
    wire = json.loads(body)
    return WHOLE[server](wire)  # type: ignore[no-any-return]


def _chat(wire: Any) -> dict[str, Any]:
    message = wire["choices"][0]["message"]
    usage = wire["usage"]
    return {
        "text": (message["content"] or "") + (message.get("refusal") or ""),
        "thinking": message.get("reasoning_content") or "",
        "calls": [
            (c["function"]["name"], json.loads(c["function"]["arguments"]))
            for c in message.get("tool_calls") or ()
        ],
        "usage": (usage["prompt_tokens"], usage["completion_tokens"]),
    }


def _completion(wire: Any) -> dict[str, Any]:
    usage = wire["usage"]
    return {
        "text": wire["choices"][0]["text"],
        "usage": (usage["prompt_tokens"], usage["completion_tokens"]),
    }


def _response(wire: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"text": "", "thinking": "", "calls": []}
    for item in wire["output"]:
        if item["type"] == "message":
            found["text"] += "".join(part["text"] for part in item["content"])
        elif item["type"] == "reasoning":
            parts = [*item.get("summary", ()), *(item.get("content") or ())]
            found["thinking"] += "".join(part["text"] for part in parts)
        else:
            found["calls"].append((item["name"], json.loads(item["arguments"])))
    usage = wire["usage"]
    return {**found, "usage": (usage["input_tokens"], usage["output_tokens"])}


def _message(wire: Any) -> dict[str, Any]:
    blocks, usage = wire["content"], wire["usage"]
    read = sum(usage.get(n) or 0 for n in ("input_tokens", "cache_read_input_tokens"))
    return {
        "text": "".join(b["text"] for b in blocks if b["type"] == "text"),
        "thinking": "".join(b["thinking"] for b in blocks if b["type"] == "thinking"),
        "calls": [(b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"],
        "usage": (read, usage["output_tokens"]),
    }


def _content(wire: Any) -> dict[str, Any]:
    parts, usage = wire["candidates"][0]["content"]["parts"], wire["usageMetadata"]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return {
        "text": "".join(p.get("text", "") for p in parts if not p.get("thought")),
        "thinking": "".join(p["text"] for p in parts if p.get("thought")),
        "calls": [(call["name"], call.get("args") or {}) for call in calls],
        "usage": (
            usage["promptTokenCount"],
            usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0),
        ),
    }


def _interaction(wire: Any) -> dict[str, Any]:
    steps, usage = wire["steps"], wire["usage"]
    outputs = [each for step in steps for each in step.get("content", ())]
    return {
        "text": "".join(each["text"] for each in outputs if each["type"] == "text"),
        "thinking": "".join(
            each["text"] for step in steps if step["type"] == "thought" for each in step["summary"]
        ),
        "calls": [(s["name"], s["arguments"]) for s in steps if s["type"] == "function_call"],
        "usage": (
            usage["total_input_tokens"],
            usage["total_output_tokens"] + usage["total_thought_tokens"],
        ),
    }


WHOLE: dict[str, Any] = {
    "openai_chat": _chat,
    "openai_completions": _completion,
    "openai_responses": _response,
    "anthropic": _message,
    "gemini": _content,
    "gemini_interactions": _interaction,
}


def collect(client: str, data: bytes) -> Response:
    """Return the response in an upstream's bytes, which arrive in pieces."""
    collector = ResponseCollector(source(client))
    for place in range(0, len(data), 37):
        collector.feed(data[place : place + 37])
    collector.end(None)
    return collector.response()


def check(server: str, client: str, events: Sequence[Event], sizes: Sequence[int] = ()) -> None:
    upstream = wire(client, events)
    wanted = sense(fold(events))
    at_the_gateway = sense(read(client, upstream))
    assert at_the_gateway == wanted
    out = translate(server, client, upstream, sizes)
    assert out == translate(server, client, upstream), "chunks make no difference"
    whole = collect(client, upstream)
    assert sense(whole) == wanted
    asked_whole = collect(client, whole_wire(client, events))
    assert sense(asked_whole) == wanted, "an upstream that is asked for a whole response"
    of_whole = SERVERS[server].encode_response(asked_whole, reply_context(server, stream=False))
    reply = SERVERS[server].encode_response(whole, reply_context(server, stream=False))
    assert reply.status == 200
    found = whole_sense(server, reply.body)
    usage = wanted["usage"]
    assert found == {**{k: wanted[k] for k in found}, "usage": (usage[0], usage[2])}
    assert whole_sense(server, of_whole.body) == found
    if server == "openai_completions":
        found = completion_sense(out)
        assert found["text"] == wanted["text"]
        assert found["usage"] == wanted["usage"]
        assert len(found["finish"]) == 1
        return
    assert sense(read(server, out)) == wanted


@pytest.mark.parametrize(("server", "client"), PAIRS)
@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_written_responses_are_translated(server: str, client: str, name: str) -> None:
    check(server, client, HAND_WRITTEN[name])


@pytest.mark.parametrize(("server", "client"), PAIRS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=answers(), sizes=st.lists(st.integers(1, 90), max_size=8))
def test_generated_responses_are_translated(
    server: str, client: str, events: list[Event], sizes: list[int]
) -> None:
    check(server, client, events, sizes)
