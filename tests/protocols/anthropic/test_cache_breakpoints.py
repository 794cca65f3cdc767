"""Conversations of clients whose protocol caches prompts by itself are cached by Claude, too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.parts import CacheControl, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import Signature
from antigravity.ir.tools import FunctionTool
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT

CLAUDE = Capabilities("claude", prefill=True)
TOOLS = (FunctionTool("f", "", {"type": "object"}), FunctionTool("g", "", {"type": "object"}))
QUESTION = Message("user", (Text("hi"), Text("there")))
ANSWER = Message("assistant", (Text("hello"),))
MARK = {"type": "ephemeral"}


def marked(
    *messages: Message,
    capabilities: Capabilities = CLAUDE,
    quirks: frozenset[str] = frozenset(),
    protocol: str = "openai_responses",
    **fields: Any,
) -> list[str]:
    """Return the places of all breakpoints in the body, in the order of the prompt."""
    request = Request("m", messages, protocol, **fields)
    encoded = ANTHROPIC_CLIENT.encode(request, Target("up", capabilities, quirks))
    body = json.loads(encoded.body)
    blocks = {f"tools.{tool['name']}": tool for tool in body.get("tools", ())}
    blocks |= {f"system.{number}": block for number, block in enumerate(body.get("system", ()))}
    for turn, message in enumerate(body["messages"]):
        blocks |= {f"{turn}.{number}": block for number, block in enumerate(message["content"])}
    assert all(block.get("cache_control", MARK) == MARK for block in blocks.values())
    return [place for place, block in blocks.items() if "cache_control" in block]


def test_instructions_and_the_last_two_turns_of_the_user_are_marked() -> None:
    system = (Text("one"), Text("two"))
    turns = (QUESTION, ANSWER, QUESTION, ANSWER, QUESTION)
    assert marked(*turns, system=system, tools=TOOLS) == ["system.1", "2.1", "4.1"]


def test_the_tools_are_marked_without_instructions() -> None:
    assert marked(QUESTION, tools=TOOLS) == ["tools.g", "0.1"]


def test_results_of_tools_are_marked() -> None:
    calls = Message("assistant", (ToolCall("c1", "f"), ToolCall("c2", "f")))
    results = Message("user", (ToolResult("c1", (Text("r"),)), ToolResult("c2")))
    assert marked(QUESTION, calls, results) == ["0.1", "2.1"]


def test_an_answer_is_not_marked() -> None:
    thinking = Thinking("hm", Signature("sig", "claude"))
    turn = Message("assistant", (thinking, Text("a")))
    assert marked(QUESTION, turn, QUESTION, ANSWER) == ["0.1", "2.1"]


def test_a_single_question_without_tools_is_not_marked() -> None:
    assert marked(QUESTION, system=(Text("one"),)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "anthropic"},
        {"capabilities": Capabilities("glm")},
        {"quirks": frozenset({"no_cache_control"})},
        {"extensions": {"prompt_cache_options": {"mode": "explicit"}}},
    ],
)
def test_clients_and_upstreams_can_do_without(changes: dict[str, Any]) -> None:
    assert marked(QUESTION, ANSWER, QUESTION, **changes) == []


def test_breakpoints_of_the_client_are_the_only_ones() -> None:
    marked_turn = Message("user", (Text("hi", cache=CacheControl()),))
    assert marked(marked_turn, ANSWER, QUESTION, tools=TOOLS) == ["0.0"]


def test_models_of_other_providers_are_marked_if_the_upstream_accepts_it() -> None:
    quirks = frozenset({"cache_control"})
    assert marked(QUESTION, tools=TOOLS, capabilities=Capabilities("glm"), quirks=quirks)


def test_counted_requests_have_no_breakpoints() -> None:
    request = Request("m", (QUESTION, ANSWER, QUESTION), "openai_chat")
    encoded = ANTHROPIC_CLIENT.encode_count(request, Target("up", CLAUDE))
    assert b"cache_control" not in encoded.body
