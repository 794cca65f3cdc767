"""Whatever comes in, the stream is legal, and its final object is what its deltas say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir import events as ev
from antigravity.ir.errors import (
    ContextLengthError,
    QuotaExhaustedError,
    RateLimitedError,
    UpstreamError,
)
from antigravity.ir.events import Event, FinishReason
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Citation, SearchResult, Text, Thinking, ToolCall, WebSearch
from antigravity.ir.response import Choice, Response, fold
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from tests.protocols.openai_responses.builders import (
    SDK_EVENT,
    SDK_RESPONSE,
    SERVER,
    Checker,
    any_sequence,
    back,
    context,
    parse,
    stream,
)
from tests.support import sdks

STOP = ev.Finish("stop")


def types(wire: bytes) -> list[str]:
    return [event["type"].removeprefix("response.") for event in parse(wire)]


def final(events: list[Event], body: dict[str, Any] | None = None) -> dict[str, Any]:
    wire, response = stream(events, body)
    Checker(parse(wire)).check()
    assert response is not None
    return json.loads(response)


@settings(max_examples=400)
@given(any_sequence)
def test_any_events_make_a_legal_stream_whose_deltas_add_up(events: list[Event]) -> None:
    wire, response = stream(events)
    parsed = parse(wire)
    items = Checker(parsed).check()
    if sdks.are_installed():
        for event in parsed:
            SDK_EVENT.validate_python(event)
    last = parsed[-1]
    if last["type"] in ("response.completed", "response.incomplete"):
        assert response is not None
        assert json.loads(response) == last["response"]
        assert last["response"]["output"] == items
        assert last["response"]["usage"] is not None
        if sdks.are_installed():
            SDK_RESPONSE.validate_python(last["response"])
    else:
        assert response is None


@given(any_sequence)
def test_sdk_accumulates_any_stream(events: list[Event]) -> None:
    wire, _response = stream(events)
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in parse(wire):
        if event["type"] != "error":
            state.handle_event(SDK_EVENT.validate_python(event))


@given(any_sequence)
def test_our_decoder_reads_any_stream_legally(events: list[Event]) -> None:
    wire, response = stream(events)
    read = back(wire)
    assert isinstance(read[0], ev.ResponseStart)
    assert isinstance(read[-1], ev.Finish if response is not None else ev.StreamFailure)
    open_calls: set[int] = set()
    for event in read[1:-1]:
        assert not isinstance(event, ev.ResponseStart | ev.Finish | ev.StreamFailure)
        if isinstance(event, ev.ToolCallStart):
            open_calls.add(event.call)
            assert event.id
        elif isinstance(event, ev.ToolCallDelta):
            assert event.call in open_calls
        elif isinstance(event, ev.ToolCallEnd):
            open_calls.remove(event.call)
    assert not open_calls or response is None


def test_encoder_provides_its_interface() -> None:
    encoder = SERVER.encoder(context())
    assert verifyObject(IStreamEncoder, encoder)
    assert encoder.keepalive() == b": keep-alive\n\n"


def test_text_item_has_all_its_events() -> None:
    wire, _response = stream(
        [ev.ResponseStart(), ev.TextDelta("Hel"), ev.TextDelta("lo"), ev.Finish("stop")]
    )
    assert types(wire) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_reasoning_item_has_all_its_events_and_a_sealed_signature() -> None:
    wire, _response = stream(
        [
            ev.ThinkingDelta("hm"),
            ev.ThinkingSignature(Signature("sig", "claude")),
            ev.TextDelta("x"),
            STOP,
        ]
    )
    assert types(wire)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    item = parse(wire)[7]["item"]
    assert item["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert item["encrypted_content"] == "ag1.claude.sig"


def test_openai_signature_is_not_sealed() -> None:
    response = final([ev.ThinkingSignature(Signature("gAAAA", "openai")), STOP])
    assert response["output"][0]["encrypted_content"] == "gAAAA"
    assert response["output"][0]["summary"] == []


def test_interleaved_calls_become_consecutive_items() -> None:
    wire, _response = stream(
        [
            ev.ToolCallStart(0, "a", "f"),
            ev.ToolCallStart(1, "b", "g", kind="custom", namespace="mcp__x"),
            ev.ToolCallDelta(1, "pat"),
            ev.ToolCallDelta(0, '{"x":'),
            ev.ToolCallDelta(1, "ch"),
            ev.ToolCallDelta(0, "1}"),
            ev.TextDelta("said in between"),
            ev.ToolCallEnd(0),
            ev.ToolCallEnd(1),
            ev.Finish("tool_calls"),
        ]
    )
    items = Checker(parse(wire)).check()
    assert [item["type"] for item in items] == ["function_call", "custom_tool_call", "message"]
    assert items[0]["arguments"] == '{"x":1}'
    assert "namespace" not in items[0]
    assert (items[1]["input"], items[1]["namespace"]) == ("patch", "mcp__x")


def test_arguments_of_the_first_call_are_streamed() -> None:
    encoder = SERVER.encoder(context())
    encoder.encode(ev.ToolCallStart(0, "a", "f"))
    assert b"function_call_arguments.delta" in encoder.encode(ev.ToolCallDelta(0, "{"))


def test_calls_with_the_same_id_get_new_ids() -> None:
    call = [ev.ToolCallDelta(0, "{}"), ev.ToolCallEnd(0)]
    response = final(
        [
            ev.ToolCallStart(0, "same", "f"),
            *call,
            ev.ToolCallStart(1, "same", "f"),
            ev.ToolCallEnd(1),
            ev.Finish("tool_calls"),
        ]
    )
    ids = [item["call_id"] for item in response["output"]]
    assert ids[0] == "same"
    assert len(set(ids)) == 2
    assert response["output"][1]["arguments"] == "{}"


def test_signature_of_a_call_is_in_the_item_before_it() -> None:
    start = ev.ToolCallStart(0, "a", "f", signature=Signature("s", "gemini"))
    response = final([start, ev.ToolCallEnd(0), STOP])
    reasoning, call = response["output"]
    assert reasoning["summary"] == []
    assert reasoning["encrypted_content"] == "ag1.gemini.s"
    assert call["type"] == "function_call"
    thought = final([ev.ThinkingDelta("hm"), start, ev.ToolCallEnd(0), STOP])
    assert [item["type"] for item in thought["output"]] == ["reasoning", "function_call"]
    assert thought["output"][0]["encrypted_content"] == "ag1.gemini.s"


def test_citation_after_a_search_is_added_to_the_text() -> None:
    search = ev.WebSearchEvent(WebSearch("s", ("q",), (SearchResult("https://a.example/"),)))
    response = final(
        [
            ev.TextDelta("one two"),
            search,
            ev.CitationEvent(Citation("https://a.example/", "A", start=4, end=7)),
            STOP,
        ]
    )
    message, found = response["output"]
    assert message["content"][0]["annotations"] == [
        {
            "type": "url_citation",
            "url": "https://a.example/",
            "title": "A",
            "start_index": 4,
            "end_index": 7,
        }
    ]
    assert found["action"]["sources"] == [{"type": "url", "url": "https://a.example/"}]


def test_text_after_a_search_is_a_new_item_with_its_own_offsets() -> None:
    response = final(
        [
            ev.TextDelta("Let me see."),
            ev.WebSearchEvent(WebSearch("s", ("q",))),
            ev.TextDelta("It rains."),
            ev.CitationEvent(Citation("https://a.example/", start=11, end=13)),
            STOP,
        ]
    )
    assert [item["type"] for item in response["output"]] == [
        "message",
        "web_search_call",
        "message",
    ]
    note = response["output"][2]["content"][0]["annotations"][0]
    assert (note["start_index"], note["end_index"]) == (0, 2)


def test_search_item_is_updated_with_its_results() -> None:
    encoder = SERVER.encoder(context())
    assert b"web_search_call.searching" in encoder.encode(ev.WebSearchEvent(WebSearch("s", ("q",))))
    assert encoder.encode(ev.WebSearchEvent(WebSearch("s", ("q", "r")))) == b""
    assert b'"queries":["q","r"]' in encoder.encode(ev.TextDelta("x"))


def test_logprobs_have_every_field() -> None:
    odd = [{"token": 3, "top_logprobs": 7}, {"token": "a", "top_logprobs": ["x", {"token": "b"}]}]
    response = final([ev.TextDelta("a"), ev.LogprobsDelta(odd), STOP])
    SDK_RESPONSE.validate_python(response)
    first, second = response["output"][0]["content"][0]["logprobs"]
    assert first == {"token": "", "bytes": [], "logprob": 0.0, "top_logprobs": []}
    assert second["top_logprobs"] == [{"token": "b", "bytes": [98], "logprob": 0.0}]


def test_unsupported_media_become_a_note() -> None:
    response = final([ev.MediaOutput("video/mp4", InlineData("AAAA")), STOP])
    (item,) = response["output"]
    assert item["content"][0]["text"] == "[video left out: this protocol has no form for it]"


def test_images_are_items() -> None:
    response = final([ev.MediaOutput("image/webp", InlineData("aGk=")), STOP])
    assert response["output"][0]["result"] == "aGk="
    assert response["output"][0]["output_format"] == "webp"


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("stop_sequence", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("refusal", "incomplete", {"reason": "content_filter"}),
        ("pause", "incomplete", None),
    ],
)
def test_finish_reasons_become_statuses(reason: Any, status: str, details: Any) -> None:
    response = final([ev.TextDelta("x"), ev.Finish(reason)])
    assert (response["status"], response["incomplete_details"]) == (status, details)
    assert response["output"][0]["status"] == ("completed" if reason == "refusal" else status)


def test_refusal_with_text_is_complete() -> None:
    response = final([ev.RefusalDelta("I won't."), ev.Finish("refusal")])
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "I won't."}]


def test_usage_after_the_finish_is_reported() -> None:
    response = final([ev.TextDelta("x"), STOP, ev.UsageUpdate(Usage(10, 4, 2, 7, 3))])
    assert response["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 17,
    }


def test_failure_before_the_start_is_an_error_event() -> None:
    for wire in (
        stream([ev.StreamFailure(UpstreamError("broken"))])[0],
        stream([])[0],
        stream([ev.UsageUpdate(Usage())])[0],
    ):
        assert types(wire) == ["error"]


def test_stream_without_finish_fails() -> None:
    wire, response = stream([ev.TextDelta("x")])
    assert types(wire)[-2:] == ["output_item.done", "failed"]
    assert response is None


def test_incomplete_call_is_never_done() -> None:
    wire, _response = stream(
        [
            ev.ToolCallStart(0, "a", "shell", kind="custom"),
            ev.ToolCallDelta(0, "rm -rf build"),
            ev.StreamFailure(UpstreamError("broken")),
        ]
    )
    assert "output_item.done" not in types(wire)
    assert "custom_tool_call_input.done" not in types(wire)
    failed = parse(wire)[-1]["response"]
    assert failed["output"][0]["status"] == "incomplete"
    assert failed["error"] == {"code": "server_error", "message": "broken"}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ContextLengthError("too long"), "context_length_exceeded", "too long"),
        (QuotaExhaustedError("used up"), "insufficient_quota", "used up"),
        (
            RateLimitedError("slower.", retry_after=2.5),
            "rate_limit_exceeded",
            "slower. Please try again in 2.500s.",
        ),
    ],
)
def test_failures_have_the_codes_that_codex_expects(error: Any, code: str, message: str) -> None:
    wire, _response = stream([ev.TextDelta("x"), ev.StreamFailure(error)])
    assert parse(wire)[-1]["response"]["error"] == {"code": code, "message": message}


def test_the_response_repeats_its_request() -> None:
    body = {
        "instructions": "be brief",
        "metadata": {"a": "b"},
        "previous_response_id": "resp_0",
        "reasoning": {"effort": "low"},
        "store": False,
        "temperature": 0.5,
        "text": {"verbosity": "low"},
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "tools": [
            {"type": "function", "name": "f"},
            {"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "c"}]},
        ],
    }
    response = final([STOP], body)
    SDK_RESPONSE.validate_python(response)
    for name in ("instructions", "metadata", "previous_response_id", "store", "temperature"):
        assert response[name] == body[name]
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert response["text"] == {"verbosity": "low", "format": {"type": "text"}}
    assert response["tool_choice"] == "required"
    assert response["parallel_tool_calls"] is False
    assert response["tools"][0]["name"] == "f"


#: The members that the schema of Open Responses requires, null where they are empty.
REQUIRED = {
    "background",
    "completed_at",
    "created_at",
    "error",
    "frequency_penalty",
    "id",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "object",
    "output",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "status",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
}


@pytest.mark.parametrize("finish", [STOP, ev.Finish("length"), ev.Finish("content_filter")])
def test_response_object_has_every_required_member(finish: Event) -> None:
    wire, _ = stream([ev.ResponseStart(), ev.TextDelta("x"), finish])
    for event in parse(wire):
        if "response" in event:
            assert not REQUIRED - event["response"].keys()


def test_response_numbers_have_the_defaults_of_the_api() -> None:
    numbers = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs")
    assert [final([STOP])[name] for name in numbers] == [1, 1, 0, 0, 0]
    sent = dict(zip(numbers, (0.5, 0.25, 1.5, -1, 3), strict=True))
    assert {name: final([STOP], sent)[name] for name in numbers} == sent
    wrong = dict.fromkeys(numbers, True)
    assert [final([STOP], wrong)[name] for name in numbers] == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("now", "reason", "completed_at"),
    [
        (1_700_000_009.9, "stop", 1_700_000_009),
        (1_600_000_000.0, "stop", 1_700_000_000),
        (1_700_000_009.9, "length", None),
    ],
)
def test_completed_at_is_set_when_response_is_completed(
    now: float, reason: FinishReason, completed_at: int | None
) -> None:
    encoder = SERVER.encoder(replace(context(), now=lambda: now))
    created = parse(encoder.encode(ev.ResponseStart()))
    assert created[0]["response"]["completed_at"] is None
    wire = encoder.encode(ev.Finish(reason)) + encoder.end()
    assert parse(wire)[-1]["response"]["completed_at"] == completed_at


def test_whole_response_equals_the_final_object_of_the_stream() -> None:
    events: list[Event] = [
        ev.ResponseStart("up", "u"),
        ev.ThinkingDelta("hm"),
        ev.ThinkingSignature(Signature("s", "gemini")),
        ev.TextDelta("one"),
        ev.CitationEvent(Citation("https://a.example/", start=0, end=3)),
        ev.TextSignature(Signature("t", "gemini")),
        ev.RedactedThinking("secret"),
        ev.ToolCallStart(0, "a", "f", signature=Signature("c", "gemini")),
        ev.ToolCallDelta(0, "{}"),
        ev.ToolCallEnd(0),
        ev.UsageUpdate(Usage(3, 0, 0, 4)),
        ev.Finish("tool_calls"),
    ]
    _wire, streamed = stream(events)
    reply = SERVER.encode_response(fold(events), context())
    assert reply.status == 200
    assert reply.body == streamed


def test_whole_response_has_refusal_and_logprobs() -> None:
    entry = {"token": "x", "logprob": -1.0, "bytes": [120], "top_logprobs": []}
    choice = Choice((Text("x"),), "refusal", refusal="no", logprobs=(entry,))
    reply = json.loads(SERVER.encode_response(Response(choices=(choice,)), context()).body)
    SDK_RESPONSE.validate_python(reply)
    text, refusal = reply["output"][0]["content"]
    assert text["logprobs"] == [entry]
    assert refusal == {"type": "refusal", "refusal": "no"}


def test_encoded_stream_is_decoded_to_the_same_events() -> None:
    events: list[Event] = [
        ev.ThinkingDelta("hm"),
        ev.ThinkingSignature(Signature("s", "claude")),
        ev.RedactedThinking("secret"),
        ev.TextDelta("one "),
        ev.TextDelta("two"),
        ev.CitationEvent(Citation("https://a.example/", "A", start=4, end=7)),
        ev.TextSignature(Signature("t", "gemini")),
        ev.WebSearchEvent(WebSearch("ws_1", ("q",), (SearchResult("https://a.example/"),))),
        ev.ToolCallStart(0, "a", "f", namespace="mcp__x"),
        ev.ToolCallDelta(0, '{"x":1}'),
        ev.ToolCallEnd(0),
        ev.ToolCallStart(1, "b", "p", kind="custom"),
        ev.ToolCallDelta(1, "text"),
        ev.ToolCallEnd(1),
        ev.MediaOutput("image/png", InlineData("aGk=")),
        ev.UsageUpdate(Usage(10, 4, 2, 7, 3)),
        ev.Finish("tool_calls"),
    ]
    wire, _response = stream(events)
    answer, returned = fold(events), fold(back(wire))
    assert returned.choices[0].parts == answer.choices[0].parts
    assert returned.choices[0].finish == "tool_calls"
    assert returned.usage == answer.usage
    assert isinstance(answer.choices[0].parts[0], Thinking)
    assert ToolCall("a", "f", '{"x":1}', namespace="mcp__x") in returned.choices[0].parts
