"""Histories of agents, made up: with tools, thinking, texts in between, whole or drawn."""

from __future__ import annotations

from hypothesis import strategies as st

from antigravity.ir.media import InlineData
from antigravity.ir.parts import CacheControl, Media, Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message
from antigravity.ir.signature import Signature

WORDS = "the quick brown fox looked at line 17 of the file and found nothing new there. "


def prose(size: int) -> str:
    """Return so many characters that no one takes for a blob."""
    return (WORDS * (size // len(WORDS) + 1))[:size]


def says(text: str) -> Message:
    return Message("user", (Text(text),))


def answers(*parts: Part) -> Message:
    return Message("assistant", parts)


def round_of(number: int, size: int, calls: int = 1, thinking: int = 0) -> list[Message]:
    """Return an answer that calls tools, and their results."""
    thought: tuple[Part, ...] = ()
    if thinking:
        thought = (Thinking(prose(thinking), Signature(f"s{number}", "claude")),)
    ids = [f"call_{number}_{place}" for place in range(calls)]
    return [
        answers(*thought, *(ToolCall(each, "Read", f'{{"path": "{each}.py"}}') for each in ids)),
        Message("user", tuple(ToolResult(each, (Text(prose(size)),)) for each in ids)),
    ]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Message, ...]:
    """Draw a legal history that ends with a turn of the user."""
    messages = [says(prose(draw(st.integers(1, 300))))]
    if draw(st.booleans()):
        messages.append(says("And mind the tests."))
    for number in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(["round", "round", "round", "talk", "split", "media"]))
        size = draw(st.sampled_from([0, 50, 500, 5_000, 30_000]))
        made = round_of(number, size, draw(st.integers(1, 3)), draw(st.sampled_from([0, 900])))
        match kind:
            case "talk":
                messages += [answers(Text(prose(size + 1))), says(f"Go on {number}.")]
                continue
            case "split":  # an answer in two messages, and a word of the user beside the results
                answer, results = made
                made = [answers(Text("Well.")), answer, results, says("By the way: hurry.")]
            case "media":
                picture = Media("image", InlineData("iVBORw0KGgo="), "image/png")
                result = ToolResult(f"call_{number}_0", (picture,), cache=CacheControl())
                made = [answers(ToolCall(f"call_{number}_0", "Look")), Message("user", (result,))]
        messages += made
    if draw(st.booleans()):
        messages += [answers(Text("Done.")), says("What now?")]
    return tuple(messages)
