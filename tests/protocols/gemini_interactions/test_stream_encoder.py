"""Whatever comes in, the stream is legal, and its interaction is what its deltas say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from google.genai._gaos.types.interactions import Interaction, InteractionSSEEvent
from hypothesis import given, settings
from pydantic import TypeAdapter
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir import events as ev
from antigravity.ir.errors import RateLimitedError, UpstreamError
from antigravity.ir.events import Event
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Citation, Media, SearchResult, Text, Thinking, ToolCall, WebSearch
from antigravity.ir.response import fold, unfold
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.event_sequencer import ChoiceStart, EventOrder, EventSequencer
from tests.protocols.gemini_interactions.builders import (
    SERVER,
    Checker,
    context,
    decode,
    parse,
    read_arguments,
    stream,
)
from tests.protocols.openai_responses.builders import any_sequence
from tests.support import sdks

STOP = ev.Finish("stop")
SDK_EVENT: TypeAdapter[Any] = TypeAdapter(InteractionSSEEvent)
SIGNED = Signature("c2ln", "gemini")


def types(wire: bytes) -> list[str]:
    return [event["event_type"] for event in parse(wire)]


def steps_of(events: Sequence[Any], body: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the steps of a stream, which its deltas and its interaction agree on."""
    wire, interaction = stream(events, body)
    steps = Checker(parse(wire)).check()
    assert interaction is not None
    assert interaction["steps"] == steps
    return steps


def messages_of(steps: Any) -> Any:
    """Return the parts that our reader finds in steps."""
    found = decode({"input": [{"type": "user_input", "content": "hi"}, *steps]})
    return [part for message in found.messages[1:] for part in message.parts]


def outline(steps: list[dict[str, Any]], *, calls: bool) -> list[dict[str, Any]]:
    """Return the steps, the calls among them without their arguments or not at all."""
    return [
        {**step, "arguments": None} if step["type"] == "function_call" else step
        for step in steps
        if calls or step["type"] != "function_call"
    ]


@settings(max_examples=400)
@given(any_sequence)
def test_any_events_make_a_legal_stream_whose_deltas_add_up(events: list[Event]) -> None:
    wire, interaction = stream(events)
    parsed = parse(wire)
    steps = Checker(parsed).check()
    if sdks.are_installed():
        for event in parsed:
            assert not getattr(SDK_EVENT.validate_python(event), "is_unknown", False)
    if interaction is None:
        assert parsed[-1]["event_type"] == "error"
        return
    whole = interaction["status"] != "incomplete"  # else calls may be cut off
    assert outline(steps, calls=whole) == outline(interaction["steps"], calls=whole)
    for call in interaction["steps"]:
        told = [step for step in steps if step.get("id") == call.get("id", "none")]
        if call["type"] == "function_call" and told[0]["arguments"] is not None:
            assert call in told
    if sdks.are_installed():
        Interaction.model_validate(interaction)


@given(any_sequence)
def test_whole_response_is_the_interaction_of_its_stream(events: list[Event]) -> None:
    if stream(events)[1] is None:
        return
    sequencer = EventSequencer(EventOrder())
    ordered = [each for event in events for each in sequencer.feed(event)]
    response = fold(each for each in ordered if not isinstance(each, ChoiceStart))
    _, interaction = stream([ev.UsageUpdate(response.usage), *unfold(response.choices[0])])
    reply = SERVER.encode_response(response, context())
    assert json.loads(reply.body) == interaction


def test_encoder_provides_its_interface() -> None:
    encoder = SERVER.encoder(context())
    assert verifyObject(IStreamEncoder, encoder)
    assert encoder.keepalive() == b": keep-alive\n\n"


def test_output_has_all_its_events() -> None:
    wire, interaction = stream([ev.TextDelta("Hel"), ev.TextDelta("lo"), STOP])
    assert types(wire) == [
        "interaction.created",
        "interaction.status_update",
        "step.start",
        "step.delta",
        "step.delta",
        "step.stop",
        "interaction.completed",
    ]
    assert interaction is not None
    assert interaction["steps"] == [
        {"type": "model_output", "content": [{"type": "text", "text": "Hello"}]}
    ]
    assert interaction["status"] == "completed"
    assert interaction["created"] == "2023-11-14T22:13:20Z"


def test_thoughts_are_shown_on_request_only() -> None:
    events = [ev.ThinkingDelta("Hm"), ev.ThinkingSignature(SIGNED), ev.TextDelta("x"), STOP]
    thought = steps_of(events)[0]
    summary = [{"type": "text", "text": "Hm"}]
    assert thought == {"type": "thought", "signature": "c2ln", "summary": summary}
    assert steps_of(events, {})[0] == {"type": "thought", "signature": "c2ln"}
    useless = [ev.ThinkingDelta("Hm"), ev.ThinkingSignature(Signature("s", "claude")), STOP]
    assert steps_of(useless, {}) == []


def test_call_waits_for_the_client() -> None:
    start = ev.ToolCallStart(0, "c1", "look", signature=SIGNED)
    wire, interaction = stream(
        [start, ev.ToolCallDelta(0, '{"a":'), ev.ToolCallDelta(0, "1.0}"), ev.ToolCallEnd(0), STOP]
    )
    assert interaction is not None
    assert interaction["status"] == "requires_action"
    call = {"type": "function_call", "id": "c1", "name": "look", "arguments": {"a": 1.0}}
    assert interaction["steps"] == [{"type": "thought", "signature": "c2ln"}, call]
    deltas = [event["delta"] for event in parse(wire) if event["event_type"] == "step.delta"]
    assert [each.get("arguments") for each in deltas] == [None, '{"a":', "1.0}"]


def test_call_that_was_cut_off_is_left_out() -> None:
    events = [ev.ToolCallStart(0, "c1", "look"), ev.ToolCallDelta(0, '{"a'), ev.Finish("length")]
    _, interaction = stream(events)
    assert interaction is not None
    assert (interaction["status"], interaction["steps"]) == ("incomplete", [])


def test_filtered_response_says_so() -> None:
    _, interaction = stream([ev.TextDelta("x"), ev.Finish("content_filter")])
    assert interaction is not None
    assert interaction["status"] == "incomplete"
    assert interaction["errors"][0]["code"] == "content_filter"


def test_citations_count_bytes() -> None:
    citation = Citation("https://a.example/", "A", start=3, end=6)
    search = WebSearch("ws_1", ("q",), (SearchResult("https://a.example/", "A"),))
    steps = steps_of(
        [ev.TextDelta("äöü sure"), ev.CitationEvent(citation), ev.WebSearchEvent(search), STOP]
    )
    note = steps[0]["content"][0]["annotations"][0]
    assert (note["start_index"], note["end_index"]) == (6, 9)
    assert [step["type"] for step in steps[1:]] == ["google_search_call", "google_search_result"]
    text, found = messages_of(steps)
    assert text.citations[0] == citation
    assert found == search


def test_failure_is_an_error_event() -> None:
    wire, interaction = stream([ev.TextDelta("x"), ev.StreamFailure(UpstreamError("broken"))])
    assert interaction is None
    last = parse(wire)[-1]
    assert last == {
        "event_type": "error",
        "error": {"message": "broken", "code": "internal"},
    }
    reply = SERVER.encode_error(RateLimitedError("slower", retry_after=2.5), "r1")
    assert json.loads(reply.body)["error"]["code"] == "resource_exhausted"
    assert reply.headers == (("retry-after", "3"),)


@pytest.mark.parametrize(("delay", "told"), [(60.0, True), (61.0, False), (None, False)])
def test_sdk_is_not_told_to_sleep_for_hours(delay: float | None, told: bool) -> None:
    reply = SERVER.encode_error(RateLimitedError("slower", retry_after=delay), "r1")
    assert ("retry-after" in dict(reply.headers)) is told


@pytest.mark.parametrize("family", ["gemini", "claude", "openai"])
def test_steps_are_read_back_as_they_were(family: str) -> None:
    signature = Signature("c2ln", family)
    events: list[Event] = [
        ev.ThinkingDelta("Hm"),
        ev.ThinkingSignature(signature),
        ev.RedactedThinking("secret", family="claude"),
        ev.TextDelta("ok"),
        ev.TextSignature(signature),
        ev.MediaOutput("image/png", InlineData("AAAA")),
        ev.ToolCallStart(0, "c1", "look"),
        ev.ToolCallDelta(0, '{"a":1.5}'),
        ev.ToolCallEnd(0),
        STOP,
    ]
    assert messages_of(steps_of(events)) == [
        Thinking("Hm", signature),
        Thinking("", Signature("", "claude"), redacted="secret"),
        Text("ok", signature=signature),
        Media("image", InlineData("AAAA"), "image/png"),
        ToolCall("c1", "look", '{"a":1.5}'),
    ]


def test_usage_is_the_sum_of_its_parts() -> None:
    usage = Usage(
        input_total=30, cached=4, output=20, reasoning=8, tool_input=5, searches=2, image_input=10
    )
    _, interaction = stream([ev.UsageUpdate(usage), ev.TextDelta("x"), STOP])
    assert interaction is not None
    assert interaction["usage"] == {
        "total_input_tokens": 25,
        "total_cached_tokens": 4,
        "total_output_tokens": 12,
        "total_thought_tokens": 8,
        "total_tool_use_tokens": 5,
        "total_tokens": 50,
        "input_tokens_by_modality": [
            {"modality": "text", "tokens": 15},
            {"modality": "image", "tokens": 10},
        ],
        "output_tokens_by_modality": [{"modality": "text", "tokens": 12}],
        "grounding_tool_count": [{"type": "google_search", "count": 2}],
    }


def test_arguments_that_are_no_object_are_wrapped() -> None:
    events = [ev.ToolCallStart(0, "c1", "look"), ev.ToolCallDelta(0, "[1"), ev.ToolCallEnd(0), STOP]
    _, interaction = stream(events)
    assert interaction is not None
    assert interaction["steps"][0]["arguments"] == {"raw": "[1"}
    assert read_arguments("[1") is None
