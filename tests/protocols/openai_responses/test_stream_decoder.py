"""Streams of all the servers that there are give the same events."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IStreamDecoder, ITap
from antigravity.ir import events as ev
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import (
    ContextLengthError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    UpstreamError,
)
from antigravity.ir.events import Event
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Citation, SearchResult, WebSearch
from antigravity.ir.request import Request
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.sse import ServerSentEvent, SseDecoder
from tests.protocols.openai_responses.builders import CLIENT, any_sequence, sse, stream

REQUEST = Request("m", (), "openai_responses")
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 17,
}
CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "gpt"}}
START = ev.ResponseStart("resp_1", "gpt")
DONE = {"type": "response.completed", "response": {"id": "resp_1", "usage": USAGE}}
MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "hello"}]}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c1",
    "name": "f",
    "namespace": "n",
    "arguments": '{"x":1}',
}


def run(*events: dict[str, Any]) -> list[Event]:
    decoder = CLIENT.decoder(REQUEST, Target("m"))
    found = [out for event in sse(*events) for out in decoder.decode(event)]
    return found + list(decoder.close())


def middle(*events: dict[str, Any]) -> list[Event]:
    """Return what events mean within a good stream, usage left out."""
    found = run(CREATED, *events, DONE)
    assert found[0] == START
    assert found[-2] == ev.UsageUpdate(Usage(10, 4, 0, 7, 3))
    return found[1:-2]


def added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(kind: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": 0, "delta": text, **fields}


def test_both_keep_their_contracts() -> None:
    assert verifyObject(IStreamDecoder, CLIENT.decoder(REQUEST, Target("m")))
    assert verifyObject(ITap, CLIENT.tap())


def test_text_is_decoded() -> None:
    whole = run(
        CREATED,
        added({**MESSAGE, "content": []}),
        delta("output_text", "hel", content_index=0),
        delta("output_text", "lo", content_index=0),
        {"type": "response.output_text.done", "output_index": 0, "text": "hello"},
        {"type": "response.from_the_future", "output_index": 0},
        done(MESSAGE),
        DONE,
    )
    assert whole == [
        START,
        ev.TextDelta("hel"),
        ev.TextDelta("lo"),
        ev.UsageUpdate(Usage(10, 4, 0, 7, 3)),
        ev.Finish("stop", native="completed"),
    ]


@pytest.mark.parametrize(
    "events",
    [
        [delta("output_text", "hello")],
        [delta("output_text", "hel"), done(MESSAGE)],
        [done(MESSAGE)],
        [added({**MESSAGE, "content": []}), {"type": "response.output_text.done", "text": "hello"}],
        [
            {
                "type": "response.content_part.done",
                "output_index": 0,
                "content_index": 0,
                "part": MESSAGE["content"][0],
            }
        ],
        [
            {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "hello"},
            done(MESSAGE),
        ],
    ],
)
def test_text_is_decoded_from_any_events(events: list[dict[str, Any]]) -> None:
    said = [event for event in middle(*events) if isinstance(event, ev.TextDelta)]
    assert "".join(event.text for event in said) == "hello"


def test_response_in_last_event_only_is_decoded() -> None:
    final = {"type": "response.completed", "response": {"id": "r", "output": [MESSAGE, CALL]}}
    assert run(final) == [
        ev.ResponseStart("r"),
        ev.TextDelta("hello"),
        ev.ToolCallStart(0, "c1", "f", namespace="n"),
        ev.ToolCallDelta(0, '{"x":1}'),
        ev.ToolCallEnd(0),
        ev.Finish("tool_calls", native="completed"),
    ]


CALLED: list[Event] = [
    ev.ToolCallStart(0, "c1", "f", namespace="n"),
    ev.ToolCallDelta(0, '{"x":1}'),
    ev.ToolCallEnd(0),
]


@pytest.mark.parametrize(
    "events",
    [
        [added({**CALL, "arguments": ""}), delta("function_call_arguments", '{"x":1}'), done(CALL)],
        [delta("function_call_arguments", '{"x":1}'), done(CALL)],
        [done(CALL)],
        [
            added({**CALL, "arguments": ""}),
            {"type": "response.function_call_arguments.done", "arguments": '{"x":1}'},
        ],
        [done({**CALL, "arguments": {"x": 1}})],
        [added({**CALL, "name": "", "arguments": ""}), done(CALL)],
    ],
)
def test_calls_are_decoded_from_any_events(events: list[dict[str, Any]]) -> None:
    assert run(CREATED, *events, DONE)[1:4] == CALLED
    assert run(CREATED, *events, DONE)[-1] == ev.Finish("tool_calls", native="completed")


def test_arguments_of_a_call_that_was_never_done_are_completed_at_the_end() -> None:
    final = {"type": "response.completed", "response": {"id": "r", "output": [CALL]}}
    events = run(
        CREATED, added({**CALL, "arguments": ""}), delta("function_call_arguments", "{"), final
    )
    assert [event.arguments for event in events if isinstance(event, ev.ToolCallDelta)] == [
        "{",
        '"x":1}',
    ]


def test_parallel_and_custom_calls() -> None:
    custom = {
        "type": "custom_tool_call",
        "id": "ctc_1",
        "call_id": "c2",
        "name": "p",
        "input": "ab",
    }
    events = middle(
        done(CALL),
        added({**custom, "input": ""}, 1),
        {"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": "ab"},
        {"type": "response.custom_tool_call_input.done", "output_index": 1, "input": "ab"},
        done(custom, 1),
    )
    assert events[3:6] == [
        ev.ToolCallStart(1, "c2", "p", kind="custom"),
        ev.ToolCallDelta(1, "ab"),
        ev.ToolCallEnd(1),
    ]


def test_servers_that_cannot_count() -> None:
    events = middle(done(MESSAGE), done({**CALL, "id": "fc_1"}), done({**CALL, "id": "fc_2"}))
    assert len([event for event in events if isinstance(event, ev.ToolCallStart)]) == 2


def test_reasoning_is_decoded() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "content": [{"type": "reasoning_text", "text": "not again"}],
        "encrypted_content": "gAAAA",
    }
    signature = ev.ThinkingSignature(Signature("gAAAA", "openai"))
    told = middle(
        added({**item, "summary": []}),
        delta("reasoning_summary_text", "a", summary_index=0),
        delta("reasoning_summary_text", "b", summary_index=1),
        done(item),
    )
    assert told == [
        ev.ThinkingDelta("a"),
        ev.ThinkingDelta("\n\n"),
        ev.ThinkingDelta("b"),
        signature,
    ]
    assert middle(done(item)) == told
    assert middle(done({**item, "summary": [], "content": None})) == [signature]
    raw = {**item, "summary": [], "encrypted_content": None}
    assert middle(delta("reasoning_text", "not "), done(raw)) == [
        ev.ThinkingDelta("not "),
        ev.ThinkingDelta("again"),
    ]


def test_sealed_signature_of_other_gateway_is_unsealed() -> None:
    events = middle(
        done({"type": "reasoning", "id": "1", "encrypted_content": "ag1.claude.S"}, 0),
        done({"type": "reasoning", "id": "2", "encrypted_content": "ag1.claude.redacted.R"}, 1),
        done({"type": "reasoning", "id": "3", "encrypted_content": "ag1.gemini.trailing.T"}, 2),
    )
    assert events == [
        ev.ThinkingSignature(Signature("S", "claude")),
        ev.RedactedThinking("R", family="claude"),
        ev.TextSignature(Signature("T", "gemini")),
    ]


def test_sources_are_emitted_once_with_absolute_offsets() -> None:
    note = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 2}
    part = {"type": "output_text", "text": "it", "annotations": [note, note]}
    events = middle(
        done(MESSAGE),
        delta("output_text", "it", output_index=1),
        {"type": "response.output_text.annotation.added", "output_index": 1, "annotation": note},
        done({"type": "message", "id": "msg_2", "content": [part]}, 1),
    )
    cited = [event for event in events if isinstance(event, ev.CitationEvent)]
    assert cited == [ev.CitationEvent(Citation("u", "t", start=5, end=7))] * 2


def test_search_images_refusals_and_probabilities() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q", "sources": [{"type": "url", "url": "u"}]},
    }
    image = {"type": "image_generation_call", "id": "ig", "result": "aGk=", "output_format": "webp"}
    entry = {"token": "x", "logprob": -1.0}
    events = run(
        CREATED,
        done(search, 0),
        done(image, 1),
        delta("output_text", "x", output_index=2, logprobs=[entry]),
        delta("refusal", "no", output_index=3),
        DONE,
    )
    assert events[1:6] == [
        ev.WebSearchEvent(WebSearch("ws_1", ("q",), (SearchResult("u"),))),
        ev.MediaOutput("image/webp", InlineData("aGk=")),
        ev.TextDelta("x"),
        ev.LogprobsDelta([entry]),
        ev.RefusalDelta("no"),
    ]
    assert events[-1] == ev.Finish("refusal", native="completed")


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        (None, "length"),
    ],
)
def test_incomplete_responses_have_reason(details: Any, reason: str) -> None:
    end = {
        "type": "response.incomplete",
        "response": {"status": "incomplete", "incomplete_details": details},
    }
    last = run(CREATED, done(CALL), end)[-1]
    assert isinstance(last, ev.Finish)
    assert last.reason == reason


def failed(code: str, message: str = "m") -> dict[str, Any]:
    return {"type": "response.failed", "response": {"error": {"code": code, "message": message}}}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (failed("server_error"), UpstreamError),
        (failed("rate_limit_exceeded", "Please try again in 1.5s."), RateLimitedError),
        (failed("insufficient_quota"), QuotaExhaustedError),
        (failed("context_length_exceeded"), ContextLengthError),
        (failed("server_is_overloaded"), OverloadedError),
        ({"type": "error", "code": "server_error", "message": "m"}, UpstreamError),
        ({"type": "error", "error": {"code": "rate_limit_exceeded"}}, RateLimitedError),
        ({"type": "", "error": {"message": "m"}}, UpstreamError),
        ({"type": "response.failed"}, UpstreamError),
    ],
)
def test_failures_are_decoded(event: dict[str, Any], kind: type[Exception]) -> None:
    events = run(CREATED, delta("output_text", "x"), event, DONE)
    assert isinstance(events[-1], ev.StreamFailure)
    assert type(events[-1].error) is kind
    tap = CLIENT.tap()
    for one in sse(event):
        tap.watch(one)
    if event["type"]:
        assert type(tap.failure) is kind


def test_rate_limit_delay_is_read_from_message() -> None:
    last = run(failed("rate_limit_exceeded", "Please try again in 1m1.5s."))[-1]
    assert isinstance(last, ev.StreamFailure)
    assert last.error.retry_after == 61.5


@pytest.mark.parametrize("odd", [[], {}, 3, None, True, ["x"]])
@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.content_part.done", "part": {"type": "ODD", "text": "ODD"}},
        {"type": "response.output_item.added", "item": {**CALL, "call_id": "ODD", "name": "ODD"}},
        {"type": "response.output_item.done", "item": {"type": "ODD", "id": "ODD"}},
        {"type": "response.output_item.done", "item": {**CALL, "namespace": "ODD", "id": "ODD"}},
        {"type": "response.output_item.done", "item": {"type": "message", "content": ["ODD"]}},
        {"type": "response.output_item.done", "item": {"type": "reasoning", "summary": ["ODD"]}},
        {"type": "response.output_text.delta", "output_index": "ODD", "item_id": "ODD"},
        {"type": "response.output_text.annotation.added", "annotation": "ODD"},
        {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "ODD"}}},
        {"type": "response.incomplete", "response": {"incomplete_details": "ODD"}},
        {"type": "response.completed", "response": {"output": [{**CALL, "call_id": "ODD"}, "ODD"]}},
        {"type": "response.completed", "response": {"usage": {"input_tokens": "ODD"}}},
        {"type": "response.failed", "response": {"error": {"code": "ODD", "message": "ODD"}}},
        {"type": "error", "error": "ODD", "code": "ODD"},
    ],
)
def test_values_of_wrong_type_do_not_raise(event: dict[str, Any], odd: Any) -> None:
    text = json.dumps(event).replace('"ODD"', json.dumps(odd))
    begun = added({**CALL, "arguments": ""}, 7)
    found = run(CREATED, begun, json.loads(text))
    assert isinstance(found[-1], ev.Finish | ev.StreamFailure)
    tap = CLIENT.tap()
    for one in sse(json.loads(text)):
        tap.watch(one)


@pytest.mark.parametrize("data", [b"{", b"[1]", b'"x"', b'{"type":"\xff"}'])
def test_malformed_event_ends_the_stream_with_failure(data: bytes) -> None:
    decoder = CLIENT.decoder(REQUEST, Target("m"))
    found = list(decoder.decode(ServerSentEvent("", data)))
    assert isinstance(found[-1], ev.StreamFailure)
    assert list(decoder.decode(sse(DONE)[0])) == []
    assert list(decoder.close()) == []


def test_broken_response_fails() -> None:
    last = run(CREATED, delta("output_text", "x"))[-1]
    assert isinstance(last, ev.StreamFailure)
    assert "broke off" in last.error.message
    assert isinstance(run()[-1], ev.StreamFailure)
    done_marker = CLIENT.decoder(REQUEST, Target("m"))
    assert list(done_marker.decode(ServerSentEvent("", b"[DONE]"))) == []


json_values = st.recursive(
    st.none() | st.integers(-2, 2) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "id",
                    "name",
                    "call_id",
                    "content",
                    "text",
                    "summary",
                    "arguments",
                    "action",
                ]
            ),
            inner
            | st.sampled_from(
                ["message", "function_call", "reasoning", "web_search_call", "output_text"]
            ),
            max_size=4,
        )
    ),
    max_leaves=8,
)
kinds = st.sampled_from(
    [
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_text.annotation.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.completed",
        "response.failed",
        "error",
    ]
)
fields = st.sampled_from(
    [
        "output_index",
        "item",
        "item_id",
        "delta",
        "text",
        "part",
        "annotation",
        "response",
        "error",
        "arguments",
        "logprobs",
    ]
)


@given(
    st.lists(
        st.tuples(kinds, st.dictionaries(fields, json_values, max_size=4)).map(
            lambda pair: {"type": pair[0], **pair[1]}
        ),
        max_size=8,
    )
)
def test_random_events_are_decoded_to_legal_sequence(events: list[dict[str, Any]]) -> None:
    found = run(*events)
    assert isinstance(found[0], ev.ResponseStart)
    assert isinstance(found[-1], ev.Finish | ev.StreamFailure)
    running: set[int] = set()
    for event in found[1:-1]:
        assert not isinstance(event, ev.ResponseStart | ev.Finish | ev.StreamFailure)
        match event:
            case ev.ToolCallStart(call=number, id=call_id, name=name):
                assert call_id
                assert name
                running.add(number)
            case ev.ToolCallDelta(call=number):
                assert number in running
            case ev.ToolCallEnd(call=number):
                running.remove(number)
    assert not running or isinstance(found[-1], ev.StreamFailure)


@given(any_sequence, st.lists(st.integers(0, 9999), max_size=20))
def test_any_chunking_gives_the_same_events(events: list[Event], cuts: list[int]) -> None:
    wire, _response = stream(events)

    def read(places: list[int]) -> list[str]:
        decoder, framing = CLIENT.decoder(REQUEST, Target("m")), SseDecoder()
        found: list[Event] = []
        for start, stop in itertools.pairwise([0, *sorted(places), len(wire)]):
            for event in framing.feed(wire[start:stop]):
                found += decoder.decode(event)
        return [repr(event) for event in [*found, *decoder.close()]]

    assert read([cut % (len(wire) + 1) for cut in cuts])[:-1] == read([])[:-1]


@given(any_sequence)
def test_tap_reports_end_of_stream(events: list[Event]) -> None:
    wire, response = stream(events)
    tap, framing = CLIENT.tap(), SseDecoder()
    for event in framing.feed(wire):
        tap.watch(event)
    assert tap.finished
    if response is None:
        assert tap.failure is not None
    else:
        assert tap.failure is None
        assert tap.usage == CLIENT.decode_usage(response)


def test_tap_needs_no_event_names() -> None:
    tap = CLIENT.tap()
    tap.watch(ServerSentEvent("", json.dumps(delta("output_text", "x")).encode()))
    assert tap.meaningful
    assert not tap.finished
    tap.watch(ServerSentEvent("", json.dumps(DONE).encode()))
    assert tap.usage == Usage(10, 4, 0, 7, 3)
    assert tap.finished
