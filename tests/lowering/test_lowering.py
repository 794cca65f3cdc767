"""Requests fit their targets, and answers come back in the client's words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.capabilities import Capabilities, Target, Traits
from antigravity.ir.events import (
    Event,
    Finish,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from antigravity.ir.media import InlineData, UrlSource
from antigravity.ir.parts import Media, Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request, ResponseFormat, Sampling
from antigravity.ir.response import fold
from antigravity.ir.tools import CustomTool, FunctionTool, ToolChoice
from antigravity.lowering.media import urls_to_fetch, with_fetched, without_unsupported
from antigravity.lowering.pairing import INTERRUPTED, pair_tools
from antigravity.lowering.pipeline import lower
from antigravity.lowering.stop_sequences import StopSequences
from antigravity.lowering.structured_output import emulate_schema
from antigravity.lowering.tool_names import custom_input, lower_tools

GEMINI = Traits("gemini", re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]*"), 64, parallel_switch=False)
CODEX = Traits("openai", custom_tools=True, namespaces=True, system_turns=True)


def request(*messages: Message, **fields: object) -> Request:
    """Make a request."""
    return Request("m", messages, "test", **fields)  # type: ignore[arg-type]


def user(*parts: object) -> Message:
    return Message("user", parts)  # type: ignore[arg-type]


def assistant(*parts: object) -> Message:
    return Message("assistant", parts)  # type: ignore[arg-type]


def call(identity: str, name: str = "f") -> ToolCall:
    return ToolCall(identity, name)


def result(identity: str, text: str = "ok") -> ToolResult:
    return ToolResult(identity, (Text(text),))


def test_results_follow_their_calls_in_order() -> None:
    paired, losses = pair_tools(
        request(
            assistant(call("a"), call("b")),
            Message("system", (Text("note"),)),
            user(Text("said"), result("b")),
            user(result("a")),
            user(Text("next")),
        )
    )
    assert not losses
    first, results, *rest = paired.messages
    assert [p.call_id for p in results.parts if isinstance(p, ToolResult)] == ["a", "b"]
    assert {p.name for p in results.parts if isinstance(p, ToolResult)} == {"f"}
    assert [m.role for m in rest] == ["system", "user", "user"]
    assert first.role == "assistant"


def test_missing_result_gets_placeholder_and_warning() -> None:
    paired, losses = pair_tools(request(assistant(call("a"), call("b")), user(result("a"))))
    last = paired.messages[-1].parts[-1]
    assert isinstance(last, ToolResult)
    assert (last.call_id, last.is_error, last.parts) == ("b", True, (Text(INTERRUPTED),))
    assert [loss.field for loss in losses] == ["messages"]


def test_result_without_call_becomes_text_in_order() -> None:
    paired, losses = pair_tools(request(user(result("x", "lost")), user(Text("then"))))
    texts = [p.text for m in paired.messages for p in m.parts if isinstance(p, Text)]
    assert texts[-2:] == ["lost", "then"]
    assert len(losses) == 1


def test_equal_ids_become_unique() -> None:
    paired, _ = pair_tools(
        request(
            assistant(call("a"), call("a")),
            user(result("a", "1"), result("a", "2")),
            assistant(call("a")),
            user(result("a", "3")),
        )
    )
    ids = [p.id for m in paired.messages for p in m.parts if isinstance(p, ToolCall)]
    assert len(set(ids)) == 3
    answers = [
        (p.call_id, p.parts[0].text)  # type: ignore[union-attr]
        for m in paired.messages
        for p in m.parts
        if isinstance(p, ToolResult)
    ]
    assert answers == [(ids[0], "1"), (ids[1], "2"), (ids[2], "3")]


PARTS = st.one_of(
    st.builds(call, st.sampled_from("abc")),
    st.builds(result, st.sampled_from("abc")),
    st.just(Text("t")),
)
MESSAGES = st.lists(
    st.builds(
        Message,
        st.sampled_from(["user", "assistant", "system"]),
        st.lists(PARTS, max_size=4).map(tuple),
    ).map(
        lambda m: Message(
            m.role,
            tuple(
                p
                for p in m.parts
                if isinstance(p, Text)
                or (isinstance(p, ToolCall) and m.role == "assistant")
                or (isinstance(p, ToolResult) and m.role == "user")
            ),
        )
    ),
    max_size=8,
)


@given(MESSAGES)
def test_pairing_always_pairs_and_is_idempotent(messages: list[Message]) -> None:
    paired, _ = pair_tools(request(*messages))
    waiting: list[str] = []
    for message in paired.messages:
        calls = [p.id for p in message.parts if isinstance(p, ToolCall)]
        results = [p.call_id for p in message.parts if isinstance(p, ToolResult)]
        if results:
            assert results == waiting
            waiting = []
        if message.role != "assistant":
            assert not waiting
        waiting += calls
    assert not waiting
    assert pair_tools(paired) == (paired, ())


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=90)


@given(st.lists(st.tuples(st.none() | NAMES, NAMES), unique=True, max_size=8))
def test_renaming_is_legal_unique_and_reversible(names: list[tuple[str | None, str]]) -> None:
    tools = tuple(FunctionTool(name, namespace=namespace) for namespace, name in names)
    lowered, table = lower_tools(request(tools=tools), GEMINI)
    wires = [tool.name for tool in lowered.tools if isinstance(tool, FunctionTool)]
    assert len(set(wires)) == len(names)
    for wire, (namespace, name) in zip(wires, names, strict=True):
        assert GEMINI.name_pattern.fullmatch(wire)
        assert len(wire) <= GEMINI.name_max
        identity = table.identity(wire)
        assert identity is not None
        assert (identity.namespace, identity.name) == (namespace, name)


def answer(pipeline: object, events: list[Event]) -> list[Event]:
    """Send events through a pipeline."""
    out = list(pipeline.feed(events))  # type: ignore[attr-defined]
    return out + list(pipeline.close())  # type: ignore[attr-defined]


def test_namespaces_and_custom_tools_are_restored() -> None:
    lowered = lower(
        request(
            assistant(ToolCall("1", "apply", "*** patch", "custom")),
            user(ToolResult("1", (Text("done"),), kind="custom")),
            tools=(
                FunctionTool("go", namespace="mcp__x"),
                CustomTool(
                    "apply",
                    "Patch.",
                    {"type": "grammar", "syntax": "lark", "definition": "start: WORD"},
                ),
            ),
            tool_choice=ToolChoice("required", ("go",)),
        ),
        Traits("claude"),
        Target("m"),
    )
    go, apply = lowered.request.tools
    assert isinstance(go, FunctionTool)
    assert (go.name, go.namespace) == ("mcp__x__go", None)
    assert isinstance(apply, FunctionTool)
    assert "start: WORD" in apply.description
    assert lowered.request.tool_choice == ToolChoice("required", ("mcp__x__go",))
    history = lowered.request.messages[0].parts[0]
    assert isinstance(history, ToolCall)
    assert (history.kind, history.arguments) == ("function", '{"input":"*** patch"}')
    response = fold(
        answer(
            lowered.pipeline,
            [
                ToolCallStart(0, "c0", "mcp__x__go"),
                ToolCallDelta(0, "{}"),
                ToolCallEnd(0),
                ToolCallStart(1, "c1", "apply"),
                ToolCallDelta(1, '{"inp'),
                ToolCallDelta(1, 'ut":"a\\nb"}'),
                ToolCallEnd(1),
                Finish("tool_calls"),
            ],
        )
    )
    first, second = response.choices[0].tool_calls
    assert (first.name, first.namespace, first.kind) == ("go", "mcp__x", "function")
    assert (second.name, second.kind, second.arguments) == ("apply", "custom", "a\nb")


def test_supported_tools_are_unchanged() -> None:
    original = request(tools=(CustomTool("p"), FunctionTool("g", namespace="n")))
    lowered = lower(original, CODEX, Target("m"))
    assert lowered.request is original
    assert lowered.pipeline.empty


@pytest.mark.parametrize("text", ["plain", '"s"', "[1]", "{}", '{"input": 3}'])
def test_custom_input_never_loses_text(text: str) -> None:
    assert custom_input(text) in (text, "s")


@given(
    st.lists(st.text("abx", max_size=6), max_size=8),
    st.lists(st.text("abx", min_size=1, max_size=3), min_size=1, max_size=3),
)
def test_text_ends_at_first_stop_sequence(chunks: list[str], stop: list[str]) -> None:
    stopping = StopSequences(stop)
    events: list[Event] = []
    for chunk in chunks:
        events += stopping.feed(TextDelta(chunk))
    events += stopping.feed(Finish("stop"))
    events += stopping.close()
    text = "".join(e.text for e in events if isinstance(e, TextDelta))
    finishes = [e for e in events if isinstance(e, Finish)]
    whole = "".join(chunks)
    hits = [whole.find(s) for s in stop if s in whole]
    assert len(finishes) == 1
    if not hits:
        assert (text, finishes[0].reason) == (whole, "stop")
    else:
        assert finishes[0].reason == "stop_sequence"
        assert stopping.done
        assert not any(s in text for s in stop)
        assert whole.startswith(text)


def test_schema_becomes_tool_and_call_becomes_text() -> None:
    form = ResponseFormat("schema", schema={"type": "array", "items": {"type": "integer"}})
    lowered, structured = emulate_schema(request(response_format=form))
    (tool,) = lowered.tools
    assert isinstance(tool, FunctionTool)
    assert tool.parameters == {
        "type": "object",
        "properties": {"value": form.schema},
        "required": ["value"],
    }
    assert lowered.tool_choice == ToolChoice("required", (tool.name,))
    events: list[Event] = []
    for event in (
        TextDelta("I will answer."),
        ToolCallStart(0, "c", tool.name),
        ToolCallDelta(0, '{"value": [1, '),
        ToolCallDelta(0, "2]}"),
        ToolCallEnd(0),
        Finish("tool_calls"),
    ):
        events += structured.feed(event)
    choice = fold(events).choices[0]
    assert (choice.text, choice.finish, choice.tool_calls) == ("[1, 2]", "stop", ())


def test_single_call_without_parallel_calls() -> None:
    lowered = lower(
        request(tools=(FunctionTool("f"),), parallel_tool_calls=False), GEMINI, Target("m")
    )
    out = answer(
        lowered.pipeline,
        [
            ToolCallStart(0, "a", "f"),
            ToolCallEnd(0),
            ToolCallStart(1, "b", "f"),
            ToolCallEnd(1),
            Finish("tool_calls"),
        ],
    )
    assert [c.id for c in fold(out).choices[0].tool_calls] == ["a"]


def test_media_is_fetched_only_if_target_does_not() -> None:
    image = Media("image", UrlSource("https://x.test/a.png"))
    inner = ToolResult("1", (Media("image", UrlSource("https://x.test/b.png")),))
    original = request(assistant(call("1")), user(inner, image))
    assert urls_to_fetch(original, Traits("claude", url_media=frozenset({"image"}))) == ()
    assert urls_to_fetch(original, GEMINI) == ("https://x.test/b.png", "https://x.test/a.png")
    fetched = with_fetched(original, {"https://x.test/a.png": ("image/png", "AAAA")})
    last = fetched.messages[1].parts[1]
    assert last == Media("image", InlineData("AAAA"), "image/png")


def test_unreadable_media_becomes_a_note() -> None:
    original = request(user(Media("video", InlineData("AA=="), "video/mp4")))
    lowered, losses = without_unsupported(
        original, Traits("openai"), Capabilities(inputs=("image",)), "blind"
    )
    assert isinstance(lowered.messages[0].parts[0], Text)
    assert losses[0].field == "messages"
    assert losses[0].content
    unknown = without_unsupported(original, Traits("openai"), Capabilities(), "unknown")
    assert unknown == (original, ())


def test_too_many_choices_are_warned() -> None:
    lowered = lower(request(sampling=Sampling(n=3)), Traits("claude"), Target("m"))
    assert lowered.request.sampling.n == 1
    assert [loss.field for loss in lowered.losses] == ["n"]


def test_later_system_turns_are_folded_in_place() -> None:
    lowered = lower(
        request(user(Text("hi")), Message("system", (Text("be brief"),)), assistant(Text("ok"))),
        Traits("claude"),
        Target("m"),
    )
    assert [m.role for m in lowered.request.messages] == ["user", "user", "assistant"]
    folded = lowered.request.messages[1].parts[0]
    assert isinstance(folded, Text)
    assert "be brief" in folded.text
    assert folded.text != "be brief"
