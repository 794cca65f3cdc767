"""Answers as events, hand-written and generated, and what an answer means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from antigravity.ir.events import (
    Event,
    Finish,
    FinishReason,
    ResponseStart,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
)
from antigravity.ir.parts import Text, Thinking, ToolCall
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage

USAGE = Usage(input_total=120, cached=40, output=33, reasoning=8)

#: Reasons that no protocol tells apart belong to one class.
CLASSES: dict[FinishReason, str] = {
    "stop": "done",
    "stop_sequence": "done",
    "tool_calls": "tools",
    "length": "length",
    "content_filter": "refused",
    "refusal": "refused",
    "pause": "pause",
}


def call(number: int, name: str, *pieces: str) -> list[Event]:
    """Return the events of one call."""
    deltas = [ToolCallDelta(number, piece) for piece in pieces]
    return [ToolCallStart(number, f"call_{number}", name), *deltas, ToolCallEnd(number)]


def answer(*events: Event | list[Event], reason: FinishReason = "stop") -> list[Event]:
    """Return a whole answer."""
    flat: list[Event] = [ResponseStart("id_1", "up")]
    for event in events:
        flat += event if isinstance(event, list) else [event]
    return [*flat, UsageUpdate(USAGE), Finish(reason)]


HAND_WRITTEN: dict[str, list[Event]] = {
    "text": answer(TextDelta("Hel"), TextDelta("lo\n\u2028\U0001f600"), TextDelta(" ")),
    "thought": answer(ThinkingDelta("Hm"), ThinkingDelta("."), TextDelta("Yes")),
    "call": answer(call(0, "f", '{"a"', ":1}"), reason="tool_calls"),
    "no arguments": answer(call(0, "f"), reason="tool_calls"),
    "equal calls": answer(
        TextDelta("Both:"),
        call(0, "f", '{"a":1}'),
        call(1, "f", '{"a":1}'),
        reason="tool_calls",
    ),
    "thought, text, calls": answer(
        ThinkingDelta("two"),
        TextDelta("Now"),
        call(0, "read", '{"path":"a\\"b"}'),
        call(1, "list_all", '{"deep":{"x":[1,null,true]}}'),
        reason="tool_calls",
    ),
    "interleaved calls": answer(
        ToolCallStart(0, "call_0", "f"),
        ToolCallDelta(0, '{"a"'),
        ToolCallStart(1, "call_1", "g"),
        ToolCallDelta(1, '{"b"'),
        ToolCallDelta(0, ":1}"),
        ToolCallDelta(1, ":2}"),
        ToolCallEnd(0),
        ToolCallEnd(1),
        reason="tool_calls",
    ),
    "cut by the limit": answer(TextDelta("and so"), reason="length"),
    "filtered": answer(TextDelta("I"), reason="content_filter"),
}

_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
_ARGUMENTS = st.dictionaries(_TEXT, st.integers(-99, 99) | _TEXT | st.none(), max_size=2).map(
    json.dumps
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Draw an answer in the order of all models: thoughts, text, calls."""
    events: list[Event] = [ThinkingDelta(text) for text in draw(st.lists(_TEXT, max_size=3))]
    events += [TextDelta(text) for text in draw(st.lists(_TEXT, max_size=4))]
    calls = draw(st.lists(st.tuples(st.sampled_from(("f", "get_x", "a-b")), _ARGUMENTS)))[:3]
    for number, (name, arguments) in enumerate(calls):
        place = draw(st.integers(0, len(arguments)))
        events += call(number, name, *filter(None, (arguments[:place], arguments[place:])))
    if not any(isinstance(event, TextDelta) for event in events) and not calls:
        events.append(TextDelta("."))
    reason: FinishReason = "tool_calls" if calls else draw(st.sampled_from(("stop", "length")))
    return answer(events, reason=reason)


def sense(response: Response) -> dict[str, Any]:
    """Return what an answer means, whatever protocol it came by."""
    choice = response.choices[0]
    ids = [call.id for call in choice.tool_calls]
    assert len(set(ids)) == len(ids), "every call has an id of its own"
    assert all(ids)
    text = "".join(part.text for part in choice.parts if isinstance(part, Text))
    return {
        "text": text + (choice.refusal or ""),
        "thinking": "".join(part.text for part in choice.parts if isinstance(part, Thinking)),
        "calls": [(call.name, json.loads(call.arguments)) for call in choice.tool_calls],
        "kinds": _kinds(choice.parts),
        "finish": CLASSES[choice.finish],
        "usage": (response.usage.input_total, response.usage.cached, response.usage.output),
    }


def _kinds(parts: Sequence[object]) -> list[str]:
    """Return the kinds of the parts in their order, runs of one kind as one."""
    found: list[str] = []
    for part in parts:
        kind = type(part).__name__
        if isinstance(part, ToolCall) or found[-1:] != [kind]:
            found.append(kind)
    return found
