"""Reasoning without signatures is kept for models that want it, and put back where it was lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IReasoningTap
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.events import Event, ThinkingDelta, ToolCallStart
from antigravity.ir.parts import Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message, Request, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.protocols.anthropic import server_history as anthropic_reasoning
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.protocols.openai_chat import server_history as chat_reasoning
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from antigravity.routing.capability_table import load_table
from antigravity.signatures import thinking_recovery
from antigravity.signatures.store import SignatureStore, StoredThinking
from antigravity.signatures.thinking_recovery import SignatureCollector, lost_call_ids, recover
from antigravity.sse import ServerSentEvent

CLAUDE = Signature("c", "claude")


def collected(*events: Event, unsigned: bool = True) -> dict[str, StoredThinking]:
    kept: dict[str, StoredThinking] = {}
    collector = SignatureCollector(kept.__setitem__, unsigned=unsigned)
    for event in events:
        collector.feed(event)
    return kept


def history(*parts: Part) -> Request:
    return Request("m", (Message("assistant", parts),), "test")


def test_collector_keeps_unsigned_reasoning_only_where_it_is_wanted() -> None:
    events = (ThinkingDelta("a"), ThinkingDelta("b"), ToolCallStart(0, "one", "f"))
    assert collected(*events) == {"one": StoredThinking(None, (Thinking("ab"),))}
    assert collected(*events, unsigned=False) == {}


def test_collector_forgets_reasoning_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinking_recovery, "_MAX_CHARACTERS", 10)
    long = collected(ThinkingDelta("x" * 11), ToolCallStart(0, "one", "f"))
    assert long == {}
    after = collected(
        ThinkingDelta("x" * 11),
        ToolCallStart(0, "one", "f"),
        ThinkingDelta("y"),
        ToolCallStart(1, "two", "f"),
    )
    assert after == {"two": StoredThinking(None, (Thinking("y"),))}


def test_recovery_puts_reasoning_of_any_family_back_where_text_is_wanted() -> None:
    bare = history(ToolCall("one", "f"))
    for thinking in (Thinking("ab"), Thinking("ab", CLAUDE)):
        kept = {"one": StoredThinking(None, (thinking,))}
        found = recover(bare, kept.get, "other", reasoning=True).messages[0].parts
        assert found == (thinking, ToolCall("one", "f"))
        assert recover(bare, kept.get, "other") is bare
    own = history(Thinking("mine"), ToolCall("one", "f"))
    kept = {"one": StoredThinking(None, (Thinking("ab"),))}
    assert recover(own, kept.get, "other", reasoning=True) is own


def test_reasoning_survives_a_restart() -> None:
    before = SignatureStore(lambda: 0.0)
    before.remember("key", "one", StoredThinking(None, (Thinking("ab"),)))
    after = SignatureStore(lambda: 1.0)
    assert after.restore(before.entries()) == 0
    assert after.recall("key", "one") == StoredThinking(None, (Thinking("ab"),))
    assert after.recall("another key", "one") is None


@pytest.mark.parametrize(
    "model",
    ["deepseek-v4-pro", "deepseek/deepseek-v4-flash", "moonshotai/Kimi-K2.5", "kimi-k2-thinking"],
)
def test_table_says_which_models_demand_their_reasoning(model: str) -> None:
    assert load_table(()).capabilities(model).reasoning_history == "required"


@pytest.mark.parametrize("model", ["glm-4.7", "zai-org/GLM-5", "MiniMaxAI/MiniMax-M2.1"])
def test_table_says_which_models_want_their_reasoning(model: str) -> None:
    assert load_table(()).capabilities(model).reasoning_history == "recommended"


@pytest.mark.parametrize("model", ["gpt-5.1", "claude-sonnet-4-6", "gemini-3-flash", "qwen3-coder"])
def test_table_leaves_other_models_alone(model: str) -> None:
    assert load_table(()).capabilities(model).reasoning_history == "ignored"


# Taps of responses that are passed on


def chunks(*deltas: dict[str, Any]) -> list[ServerSentEvent]:
    bodies = ({"id": "c", "choices": [{"index": 0, "delta": delta}]} for delta in deltas)
    return [ServerSentEvent("", json.dumps(body).encode()) for body in bodies]


def call(identity: str, index: int = 0) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    return {"index": index, "id": identity, "type": "function", "function": function}


def tapped(
    client: Any, events: Sequence[ServerSentEvent], *, unsigned: bool
) -> dict[str, StoredThinking]:
    kept: dict[str, StoredThinking] = {}
    tap = client.tap()
    verifyObject(IReasoningTap, tap)
    collector = SignatureCollector(kept.__setitem__, unsigned=unsigned)
    tap.collect(collector.feed, "other", unsigned=unsigned)
    for event in events:
        tap.watch(event)
    return kept


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_chat_tap_keeps_reasoning_with_the_first_call(field: str) -> None:
    events = chunks(
        {"role": "assistant", field: "h"},
        {field: "m"},
        {"content": "so"},
        {"tool_calls": [call("a")]},
        {"tool_calls": [call("b", 1)]},
    )
    assert tapped(OPENAI_CHAT_CLIENT, events, unsigned=True) == {
        "a": StoredThinking(None, (Thinking("hm"),))
    }
    assert tapped(OPENAI_CHAT_CLIENT, events, unsigned=False) == {}


def test_chat_tap_keeps_reasoning_in_same_chunk_as_its_call() -> None:
    events = chunks({"reasoning_content": "hm", "tool_calls": [call("a")]})
    assert tapped(OPENAI_CHAT_CLIENT, events, unsigned=True) == {
        "a": StoredThinking(None, (Thinking("hm"),))
    }


def test_chat_tap_keeps_reasoning_of_a_whole_response() -> None:
    message = {"role": "assistant", "reasoning_content": "hm", "tool_calls": [call("a")]}
    body = json.dumps({"id": "c", "choices": [{"index": 0, "message": message}]}).encode()
    kept: dict[str, StoredThinking] = {}
    tap: Any = OPENAI_CHAT_CLIENT.tap()
    tap.collect(SignatureCollector(kept.__setitem__, unsigned=True).feed, "other", unsigned=True)
    tap.watch_body(body)
    assert kept == {"a": StoredThinking(None, (Thinking("hm"),))}


def test_chat_tap_holds_a_limited_amount() -> None:
    large = {"reasoning_content": "x" * (4 * 1024 * 1024)}
    events = chunks(large, large, {"tool_calls": [call("a")]})
    assert tapped(OPENAI_CHAT_CLIENT, events, unsigned=True) == {}


def test_anthropic_tap_keeps_unsigned_thinking_only_where_it_is_wanted() -> None:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    delta = {"type": "thinking_delta", "thinking": "hm"}
    values = [
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        },
    ]
    events = [ServerSentEvent(str(v["type"]), json.dumps(v).encode()) for v in values]
    assert tapped(ANTHROPIC_CLIENT, events, unsigned=True) == {
        "a": StoredThinking(None, (Thinking("hm"),))
    }
    assert tapped(ANTHROPIC_CLIENT, events, unsigned=False) == {}


# Histories of clients


def test_chat_history_names_calls_without_reasoning() -> None:
    said = {"role": "assistant", "content": None}
    body = {
        "messages": [
            {"role": "user", "content": "hi"},
            {**said, "reasoning_content": "hm", "tool_calls": [call("a")]},
            {**said, "reasoning_content": "", "tool_calls": [call("b"), call("c")]},
            {**said, "tool_calls": [call("d")]},
            {"role": "assistant", "content": "done"},
        ]
    }
    assert chat_reasoning.calls_without_reasoning(json.dumps(body).encode()) == ("b", "c", "d")
    for broken in (b"", b"[]", b'{"messages": 1, "tool_calls": 2}', b'{"tool_calls": '):
        assert chat_reasoning.calls_without_reasoning(broken) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"summary": "m"}, 1]},
        {"reasoning": None, "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    ],
)
def test_chat_history_is_read_in_all_its_spellings(fields: dict[str, Any]) -> None:
    server = OPENAI_CHAT_SERVER
    said = {"role": "assistant", "content": None, "tool_calls": [call("a")], **fields}
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}, said]}
    route = next(each for each in server.routes if each.operation == "generate")
    request = server.decode(Call(route, {}, {}, {}, json.dumps(body).encode()))
    assert request.messages[1].parts == (Thinking("hm"), ToolCall("a", "f", "{}"))


def test_anthropic_history_names_calls_without_thinking() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": ""}

    def use(identity: str) -> dict[str, Any]:
        return {"type": "tool_use", "id": identity, "name": "f", "input": {}}

    body = {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [thinking, use("a")]},
            {"role": "assistant", "content": [{**thinking, "thinking": ""}, use("b")]},
            {"role": "assistant", "content": [use("c")]},
            {"role": "assistant", "content": "text"},
        ]
    }
    assert anthropic_reasoning.calls_without_reasoning(json.dumps(body).encode()) == ("b", "c")
    assert anthropic_reasoning.calls_without_reasoning(b'{"messages": "tool_use"}') == ()


# Requests for upstreams of Anthropic's protocol

REQUIRED = Target("deepseek-v4-pro", Capabilities(reasoning_history="required"))
RECOMMENDED = Target("glm-4.7", Capabilities(family="glm", reasoning_history="recommended"))
CONVERSATION = Request(
    "m",
    (
        Message("user", (Text("hi"),)),
        Message("assistant", (Thinking("hm"), ToolCall("a", "f"))),
        Message("user", (ToolResult("a", (Text("r"),)),)),
    ),
    "openai_chat",
    max_output_tokens=100,
)


def blocks(request: Request, target: Target) -> list[dict[str, Any]]:
    body = json.loads(ANTHROPIC_CLIENT.encode(request, target).body)
    found: list[dict[str, Any]] = body["messages"][1]["content"]
    return found


@pytest.mark.parametrize("target", [REQUIRED, RECOMMENDED], ids=["required", "recommended"])
def test_unsigned_thinking_is_sent_to_models_that_expect_it(target: Target) -> None:
    assert blocks(CONVERSATION, target)[0] == {
        "type": "thinking",
        "thinking": "hm",
        "signature": "",
    }


def test_missing_thinking_gets_placeholder_where_required() -> None:
    first, _, last = CONVERSATION.messages
    bare = replace(
        CONVERSATION, messages=(first, Message("assistant", (ToolCall("a", "f"),)), last)
    )
    stand_in = blocks(bare, REQUIRED)[0]
    assert stand_in["type"] == "thinking"
    assert stand_in["thinking"].strip()
    assert blocks(bare, RECOMMENDED)[0]["type"] == "tool_use"
    off = replace(bare, thinking=ThinkingConfig("off"))
    assert blocks(off, REQUIRED)[0]["type"] == "tool_use"


def test_chat_gets_no_stand_in_where_thinking_is_off() -> None:
    first, _, last = CONVERSATION.messages
    bare = replace(
        CONVERSATION, messages=(first, Message("assistant", (ToolCall("a", "f"),)), last)
    )
    off = replace(bare, thinking=ThinkingConfig("off"))
    for request, given in ((bare, True), (off, False)):
        body = json.loads(OPENAI_CHAT_CLIENT.encode(request, REQUIRED).body)
        assert ("reasoning_content" in body["messages"][1]) is given


@pytest.mark.parametrize(
    ("of_model", "quirks", "level"),
    [
        ("required", set(), "required"),
        ("ignored", {"reasoning_content"}, "recommended"),
        ("required", {"reasoning_content"}, "required"),
        ("required", {"no_reasoning_content"}, "ignored"),
        ("ignored", set(), "ignored"),
    ],
)
def test_upstream_quirks_override_reasoning_history_of_model(
    of_model: Any, quirks: set[str], level: str
) -> None:
    target = Target("m", Capabilities(reasoning_history=of_model), frozenset(quirks))
    assert target.reasoning_history == level
    assert target.wants_reasoning is (level != "ignored")
    body = json.loads(OPENAI_CHAT_CLIENT.encode(CONVERSATION, target).body)
    assert ("reasoning_content" in body["messages"][1]) is target.wants_reasoning


def test_calls_with_thinking_or_signature_have_lost_nothing() -> None:
    request = Request(
        "m",
        (
            Message("assistant", (ToolCall("a", "f"), ToolCall("b", "f", signature=CLAUDE))),
            Message("user", (ToolCall("c", "f"),)),
            Message("assistant", (ToolCall("d", "f"), Thinking("why", CLAUDE))),
            Message("assistant", (Text("so"), ToolCall("", "f"), ToolCall("e", "f"))),
        ),
        protocol="anthropic",
    )
    assert lost_call_ids(request) == ("a", "e")
