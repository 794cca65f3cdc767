"""``unfold`` is the way back of ``fold``."""

from __future__ import annotations

from hypothesis import given

from antigravity.ir.events import Event, Finish
from antigravity.ir.media import InlineData
from antigravity.ir.parts import (
    Citation,
    Media,
    SearchResult,
    Text,
    Thinking,
    ToolCall,
    WebSearch,
)
from antigravity.ir.response import Choice, fold, unfold
from antigravity.ir.signature import Signature
from tests.support.responses import answers

SIGNATURE = Signature("c2ln", "gemini")
EVERYTHING = Choice(
    (
        Thinking("hm", SIGNATURE),
        Thinking(signature=Signature("", "claude"), redacted="secret"),
        Text("one", (Citation("https://a", "A", start=0, end=3),), SIGNATURE),
        ToolCall("a", "f", '{"x":1}', namespace="n", signature=SIGNATURE),
        ToolCall("b", "g", "raw", "custom"),
        Media("image", InlineData("AAAA"), "image/png", signature=SIGNATURE),
        Media("audio", InlineData("AAAA"), "audio/wav"),
        WebSearch("s", ("q",), (SearchResult("https://a"),)),
    ),
    "stop_sequence",
    "END",
    "native",
    refusal="no",
    logprobs=({"token": "one", "logprob": -1.0},),
    transcripts=("spoken",),
)


def test_unfolded_choice_folds_to_the_same_choice() -> None:
    assert fold(unfold(EVERYTHING)).choices == (EVERYTHING,)
    assert fold(unfold(Choice())).choices == (Choice(),)
    silent = Choice(logprobs=())
    assert fold(unfold(silent)).choices == (silent,)


def test_unfolded_events_belong_to_the_choice_and_end_with_its_finish() -> None:
    events = [*unfold(EVERYTHING, 3)]
    assert {event.choice for event in events} == {3}
    assert events[-1] == Finish("stop_sequence", "END", "native", 3)


@given(answers())
def test_any_response_survives_unfolding(events: list[Event]) -> None:
    (choice,) = fold(events).choices
    assert fold(unfold(choice)).choices == (choice,)
