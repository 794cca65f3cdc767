"""Streams and whole replies are legal whatever comes in, and say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, ModelInfo, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from antigravity.ir import events as ev
from antigravity.ir.call import TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import InvalidRequestError, RateLimitedError, UpstreamError
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Citation, SearchResult, Thinking, WebSearch
from antigravity.ir.request import ThinkingConfig
from antigravity.ir.response import fold
from antigravity.ir.signature import Signature, has_seals
from antigravity.ir.usage import Usage
from tests.protocols.anthropic.builders import (
    GET,
    LIST,
    SERVER,
    any_event,
    assistant,
    call,
    context,
    decode,
    parse,
    read_legal,
    stream,
    thinking_configs,
    user,
    valid_events,
)
from tests.support import sdks

EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
GEMINI = Signature("sig", "gemini")
CLAUDE = Signature("sig", "claude")


def kinds(message: dict[str, Any] | None) -> list[str]:
    assert message is not None
    return [block["type"] for block in message["content"]]


@settings(max_examples=500)
@given(st.lists(any_event, max_size=25), thinking_configs, st.booleans())
def test_any_events_make_a_legal_stream(events: Any, thinking: Any, pings: bool) -> None:
    encoder = SERVER.encoder(context(thinking))
    wire = b""
    for event in events:
        wire += encoder.encode(event) + (encoder.keepalive() if pings else b"")
    wire += encoder.end()
    assert encoder.end() == encoder.keepalive() == b""
    assert encoder.encode(ev.TextDelta("late")) == b""
    message = read_legal(wire)
    ended = any(isinstance(event, ev.Finish) and event.choice == 0 for event in events)
    failed = any(isinstance(event, ev.StreamFailure) for event in events)
    assert (message is not None) == (ended and not failed)
    for name, data in parse(wire):
        if name not in ("ping", "error") and sdks.are_installed():
            EVENTS.validate_python(data)


@settings(max_examples=300)
@given(valid_events(), thinking_configs)
def test_stream_and_whole_message_are_equal(events: Any, thinking: Any) -> None:
    streamed = read_legal(stream(events, thinking))
    whole = SERVER.encode_response(fold(events), context(thinking))
    assert whole.status == 200
    assert json.loads(whole.body) == streamed
    Message.model_validate_json(whole.body)


@settings(max_examples=150)
@given(valid_events())
def test_official_sdk_reads_the_same_message(events: Any) -> None:
    wire = stream(events)
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for _, data in parse(wire):
        event = EVENTS.validate_python(data)
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    ours = read_legal(wire)
    assert ours is not None
    theirs = snapshot.to_dict()
    for mine, other in zip(ours["content"], theirs["content"], strict=True):
        assert mine == {key: other[key] for key in mine}
    assert theirs["stop_reason"] == ours["stop_reason"]
    assert theirs["usage"]["output_tokens"] == 7
    assert theirs["usage"]["input_tokens"] == 5
    assert theirs["usage"]["cache_read_input_tokens"] == 3


def test_events_are_named_and_report_usage() -> None:
    wire = stream(
        [
            ev.ResponseStart("up", "up-model"),
            ev.UsageUpdate(Usage(10, 4, 1)),
            ev.TextDelta("hi"),
            ev.Finish("stop"),
            ev.UsageUpdate(Usage(10, 4, 1, 6, 2)),
        ]
    )
    assert [name for name, _ in parse(wire)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = parse(wire)[0][1]["message"]
    assert start["model"] == "m"
    assert start["id"].startswith("msg_")
    assert start["usage"]["input_tokens"] == 5
    message = read_legal(wire)
    assert message is not None
    assert message["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 1,
        "cache_read_input_tokens": 4,
        "output_tokens": 6,
        "output_tokens_details": {"thinking_tokens": 2},
    }


@pytest.mark.parametrize(
    ("reason", "native", "called", "expected"),
    [
        ("stop", None, False, "end_turn"),
        ("stop", "STOP", True, "tool_use"),
        ("tool_calls", None, True, "tool_use"),
        ("tool_calls", None, False, "end_turn"),
        ("length", "MAX_TOKENS", True, "max_tokens"),
        ("length", "model_context_window_exceeded", False, "model_context_window_exceeded"),
        ("content_filter", "SAFETY", False, "refusal"),
        ("refusal", None, False, "refusal"),
        ("pause", None, False, "pause_turn"),
        ("stop_sequence", None, False, "stop_sequence"),
    ],
)
def test_finish_reasons_become_stop_reasons(
    reason: Any, native: str | None, called: bool, expected: str
) -> None:
    calls = [ev.ToolCallStart(0, "toolu_1", "get"), ev.ToolCallEnd(0)] if called else []
    message = read_legal(stream([*calls, ev.Finish(reason, "END", native)]))
    assert message is not None
    assert message["stop_reason"] == expected
    assert message["stop_sequence"] == "END"


def test_call_without_arguments_sends_an_empty_object() -> None:
    wire = stream([ev.ToolCallStart(0, "t", "get"), ev.ToolCallDelta(0, ""), ev.Finish("stop")])
    deltas = [data["delta"] for name, data in parse(wire) if name == "content_block_delta"]
    assert deltas == [{"type": "input_json_delta", "partial_json": "{}"}]


@pytest.mark.parametrize(
    "thinking", [ThinkingConfig(), ThinkingConfig("off"), ThinkingConfig("on", 9)]
)
def test_signature_of_a_call_is_sent_in_an_empty_thinking_block(thinking: Any) -> None:
    events = [
        ev.TextDelta("hi"),
        ev.ToolCallStart(0, "t", "get", signature=GEMINI),
        ev.ToolCallEnd(0),
        ev.ToolCallStart(1, "u", "get"),
        ev.ToolCallEnd(1),
        ev.Finish("tool_calls"),
    ]
    message = read_legal(stream(events, thinking))
    assert kinds(message) == ["text", "thinking", "tool_use", "tool_use"]
    assert message is not None
    assert message["content"][1] == {
        "type": "thinking",
        "thinking": "",
        "signature": "ag1.gemini.sig",
    }


def test_signature_of_a_call_signs_open_thinking() -> None:
    events = [ev.ThinkingDelta("hm"), ev.ToolCallStart(0, "t", "get", signature=GEMINI)]
    message = read_legal(stream([*events, ev.Finish("tool_calls")]))
    assert kinds(message) == ["thinking", "tool_use"]
    assert message is not None
    assert message["content"][0]["signature"] == "ag1.gemini.sig"


def test_unsigned_thinking_gets_a_seal_that_decodes_to_no_signature() -> None:
    message = read_legal(stream([ev.ThinkingDelta("hm"), ev.TextDelta("hi"), ev.Finish("stop")]))
    assert message is not None
    thinking = message["content"][0]
    assert thinking == {"type": "thinking", "thinking": "hm", "signature": "ag1.unsigned."}
    history = [user("hi"), assistant(*message["content"]), user("go on")]
    request = decode(messages=history)
    assert request.messages[1].parts[0] == Thinking("hm", None)
    assert has_seals(json.dumps(history).encode())  # so it never goes up as it is


def test_omitted_thinking_keeps_its_signature_only() -> None:
    events = [ev.ThinkingDelta("secret"), ev.ThinkingSignature(CLAUDE), ev.TextDelta("hi")]
    message = read_legal(
        stream([*events, ev.Finish("stop")], ThinkingConfig("adaptive", include=False))
    )
    assert message is not None
    assert message["content"] == [
        {"type": "thinking", "thinking": "", "signature": "sig"},
        {"type": "text", "text": "hi"},
    ]


@pytest.mark.parametrize("thinking", [ThinkingConfig(), ThinkingConfig("off")])
def test_unrequested_thinking_is_sent_only_before_a_call(thinking: Any) -> None:
    thought = [ev.ThinkingDelta("hm"), ev.ThinkingSignature(CLAUDE), ev.TextDelta("hi")]
    assert kinds(read_legal(stream([*thought, ev.Finish("stop")], thinking))) == ["text"]
    called = [*thought, ev.ToolCallStart(0, "t", "get"), ev.Finish("stop")]
    assert kinds(read_legal(stream(called, thinking))) == ["text", "thinking", "tool_use"]


def test_parallel_calls_become_consecutive_blocks() -> None:
    events = [
        ev.ToolCallStart(0, "a", "get"),
        ev.ToolCallStart(1, "b", "put"),
        ev.ToolCallDelta(1, '{"x":'),
        ev.ToolCallDelta(0, '{"y":1}'),
        ev.ToolCallDelta(1, "2}"),
        ev.TextDelta("after"),
        ev.Finish("tool_calls"),
    ]
    message = read_legal(stream(events))
    assert message is not None
    assert [block.get("input") for block in message["content"]] == [{"y": 1}, {"x": 2}, None]


def test_search_after_text_waits_for_citations() -> None:
    search = WebSearch("gs1", ("a", "b"), (SearchResult("http://x", "X"),))
    events = [
        ev.TextDelta("Fact."),
        ev.WebSearchEvent(search),
        ev.CitationEvent(Citation("http://x", "X", "quote")),
        ev.Finish("stop"),
    ]
    message = read_legal(stream(events))
    assert kinds(message) == ["text", "server_tool_use", "web_search_tool_result"]
    assert message is not None
    text, use, result = message["content"]
    assert text["citations"][0]["type"] == "web_search_result_location"
    assert use["id"] == result["tool_use_id"] == "srvtoolu_gs1"
    assert use["input"] == {"query": "a, b", "queries": ["a", "b"]}
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 1


def test_search_is_sent_before_the_text_that_follows() -> None:
    asked = WebSearch("srvtoolu_1", ("a",))
    found = WebSearch("srvtoolu_1", ("a",), (SearchResult("http://x", "X", "enc"),))
    events = [ev.TextDelta("Let me look."), ev.WebSearchEvent(asked), ev.WebSearchEvent(found)]
    events += [ev.TextDelta("Fact."), ev.CitationEvent(Citation("http://x")), ev.Finish("stop")]
    message = read_legal(stream(events))
    assert kinds(message) == ["text", "server_tool_use", "web_search_tool_result", "text"]


def test_images_become_markdown() -> None:
    message = read_legal(
        stream([ev.MediaOutput("image/png", InlineData("AA==")), ev.Finish("stop")])
    )
    assert message is not None
    assert message["content"][0]["text"] == "![image](data:image/png;base64,AA==)"


def test_keepalive_is_empty_before_the_response_starts() -> None:
    encoder = SERVER.encoder(context())
    assert encoder.keepalive() == b""
    encoder.encode(ev.ResponseStart())
    wire = encoder.keepalive()
    assert [name for name, _ in parse(wire)] == ["message_start", "ping"]
    assert wire.endswith(b'event: ping\ndata: {"type": "ping"}\n\n')


def test_failures_close_the_block_and_end_with_an_error() -> None:
    wire = stream([ev.TextDelta("a"), ev.StreamFailure(RateLimitedError("slow down"))])
    assert parse(wire)[-2][0] == "content_block_stop"
    assert parse(wire)[-1] == (
        "error",
        {
            "type": "error",
            "error": {"type": "rate_limit_error", "message": "slow down"},
            "request_id": "req_1",
        },
    )
    assert parse(stream([ev.TextDelta("a")]))[-1][1]["error"]["type"] == "api_error"


def test_lone_surrogates_do_not_break_the_stream() -> None:
    assert read_legal(stream([ev.TextDelta("a\ud800b"), ev.Finish("stop")])) is not None


def test_errors_have_anthropics_shape() -> None:
    reply = SERVER.encode_error(UpstreamError("broken", retry_after=1.2), "req_9")
    assert reply.status == 502
    assert dict(reply.headers) == {"retry-after": "2"}
    assert json.loads(reply.body) == {
        "type": "error",
        "error": {"type": "api_error", "message": "broken"},
        "request_id": "req_9",
    }
    named = SERVER.encode_error(InvalidRequestError("is bad", param="$.messages[2].role"), "")
    assert json.loads(named.body)["error"] == {
        "type": "invalid_request_error",
        "message": "messages.2.role: is bad",
    }


def test_token_count_has_anthropics_shape() -> None:
    assert json.loads(SERVER.encode_count(TokenCount(42), call({})).body) == {"input_tokens": 42}


MODELS = [Model(f"m{number}", created=1_700_000_000) for number in range(5)]


def listed(**query: str) -> Any:
    return json.loads(SERVER.encode_models(MODELS, call({}, LIST, query)).body)


def test_models_are_read_by_the_sdk() -> None:
    whole = listed()
    assert whole["object"] == "list"
    assert [ModelInfo.model_validate(item).id for item in whole["data"]] == [m.id for m in MODELS]
    assert (whole["has_more"], whole["first_id"], whole["last_id"]) == (False, "m0", "m4")
    one = SERVER.encode_model(MODELS[1], call({}, GET))
    assert ModelInfo.model_validate_json(one.body).created_at.year == 2023


def test_models_are_paged() -> None:
    def page(**query: str) -> Any:
        found = listed(**query)
        return [item["id"] for item in found["data"]], found["has_more"]

    assert page(limit="2") == (["m0", "m1"], True)
    assert page(limit="2", after_id="m1") == (["m2", "m3"], True)
    assert page(limit="2", after_id="m3") == (["m4"], False)
    assert page(limit="2", before_id="m3") == (["m1", "m2"], True)
    assert page(limit="9", before_id="m2") == (["m0", "m1"], False)
    assert page(limit="1000") == ([m.id for m in MODELS], False)
    for bad in ({"limit": "0"}, {"limit": "x"}, {"after_id": "nope"}):
        with pytest.raises(InvalidRequestError):
            page(**bad)
