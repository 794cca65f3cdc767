"""The phases of the assistant's messages: commentary before calls, then the final answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir import events as ev
from antigravity.ir.capabilities import Target
from antigravity.ir.parts import Text, WebSearch
from antigravity.ir.request import Request
from antigravity.ir.response import fold, unfold
from tests.protocols.openai_responses.builders import CLIENT, parse, sse, stream

CALL = [ev.ToolCallStart(0, "a", "f"), ev.ToolCallEnd(0)]
SEARCH = ev.WebSearchEvent(WebSearch("s", ("q",)))


def phases(*events: ev.Event) -> list[str | None]:
    """Return the phases of the messages in the final response."""
    _stream, response = stream(events)
    assert response is not None
    items = json.loads(response)["output"]
    return [item.get("phase") for item in items if item["type"] == "message"]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([ev.TextDelta("a"), ev.Finish("stop")], ["final_answer"]),
        ([ev.TextDelta("a"), ev.Finish("stop_sequence")], ["final_answer"]),
        ([ev.TextDelta("a"), *CALL, ev.Finish("tool_calls")], ["commentary"]),
        (
            [ev.TextDelta("a"), SEARCH, ev.TextDelta("b"), ev.Finish("stop")],
            ["commentary", "final_answer"],
        ),
        # What nothing shows is left open.
        ([ev.TextDelta("a"), ev.Finish("length")], [None]),
        ([ev.TextDelta("a"), ev.Finish("content_filter")], [None]),
        (
            [ev.TextDelta("a"), ev.ThinkingDelta("t"), ev.TextDelta("b"), ev.Finish("stop")],
            [None, "final_answer"],
        ),
        # The upstream's own phase counts.
        ([ev.TextPhase("commentary"), ev.TextDelta("a"), ev.Finish("stop")], ["commentary"]),
        (
            [
                ev.TextPhase("commentary"),
                ev.TextDelta("a"),
                ev.TextPhase("final_answer"),
                ev.TextDelta("b"),
                ev.Finish("stop"),
            ],
            ["commentary", "final_answer"],
        ),
    ],
)
def test_phase_is_known_by_what_follows(events: list[ev.Event], expected: list[str | None]) -> None:
    assert phases(*events) == expected


def test_phase_of_upstream_is_known_from_beginning() -> None:
    wire, _ = stream([ev.TextPhase("commentary"), ev.TextDelta("a"), ev.Finish("stop")])
    added = [event for event in parse(wire) if event["type"] == "response.output_item.added"]
    assert added[0]["item"]["phase"] == "commentary"


MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "phase": "commentary",
    "content": [{"type": "output_text", "text": "hello"}],
}


def decoded(*wire: dict[str, Any]) -> list[ev.Event]:
    """Return the events of an upstream's stream."""
    decoder = CLIENT.decoder(Request("m", (), "openai_responses"), Target("m"))
    done = {"type": "response.completed", "response": {"id": "resp_1"}}
    return [out for event in sse(*wire, done) for out in decoder.decode(event)]


@pytest.mark.parametrize("streamed", [True, False])
def test_phase_is_decoded_before_text(streamed: bool) -> None:
    start = {"type": "response.output_item.added", "output_index": 0, "item": MESSAGE}
    delta = {"type": "response.output_text.delta", "output_index": 0, "delta": "hello"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}
    events = decoded(*((start, delta) if streamed else ()), done)
    found = [event for event in events if isinstance(event, ev.TextPhase | ev.TextDelta)]
    assert found == [ev.TextPhase("commentary"), ev.TextDelta("hello")]


def test_phases_survive_folding() -> None:
    events: list[ev.Event] = [
        ev.TextPhase("commentary"),
        ev.TextDelta("a"),
        ev.TextPhase("final_answer"),
        ev.TextDelta("b"),
        ev.Finish("stop"),
    ]
    (choice,) = fold(events).choices
    assert choice.parts == (Text("a", phase="commentary"), Text("b", phase="final_answer"))
    assert list(unfold(choice)) == events
