"""Conversations with Claude at a server that accepts breakpoints are cached."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.media import InlineData
from antigravity.ir.parts import CacheControl, Media, Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.upstreams.addresses import BaseUrl
from antigravity.upstreams.quirks import resolve_quirks

CLAUDE = Capabilities("claude", prefill=True)
OPENROUTER = resolve_quirks((), [BaseUrl("https://openrouter.ai", "/api/v1")])
TOOLS = (FunctionTool("f", "", {"type": "object"}), FunctionTool("g", "", {"type": "object"}))
QUESTION = Message("user", (Text("hi"),))
ANSWER = Message("assistant", (Text("hello"),))
MARK = {"type": "ephemeral"}


def marked(
    *messages: Message,
    capabilities: Capabilities = CLAUDE,
    quirks: frozenset[str] = OPENROUTER,
    protocol: str = "openai_responses",
    **fields: Any,
) -> list[str]:
    """Return the places of all breakpoints in the body: messages by number and part."""
    request = Request("m", messages, protocol, **fields)
    encoded = OPENAI_CHAT_CLIENT.encode(request, Target("up", capabilities, quirks))
    body = json.loads(encoded.body)
    blocks = {f"tools.{tool['function']['name']}": tool for tool in body.get("tools", ())}
    for number, message in enumerate(body["messages"]):
        if isinstance(message["content"], list):
            blocks |= {f"{number}.{place}": part for place, part in enumerate(message["content"])}
    assert all(block.get("cache_control", MARK) == MARK for block in blocks.values())
    return [place for place, block in blocks.items() if "cache_control" in block]


def test_instructions_and_the_last_two_turns_of_the_user_are_marked() -> None:
    turns = (QUESTION, ANSWER, QUESTION, ANSWER, QUESTION)
    found = marked(*turns, system=(Text("one"), Text("two")), tools=TOOLS)
    assert found == ["0.1", "3.0", "5.0"]


def test_the_tools_are_marked_without_instructions() -> None:
    assert marked(QUESTION, tools=TOOLS) == ["tools.g", "0.0"]


def test_the_last_result_of_a_turn_is_marked() -> None:
    calls = Message("assistant", (ToolCall("c1", "f"), ToolCall("c2", "f")))
    results = Message("user", (ToolResult("c1", (Text("r"),)), ToolResult("c2", (Text("s"),))))
    assert marked(QUESTION, calls, results) == ["0.0", "3.0"]


def test_an_empty_result_is_not_marked() -> None:
    calls = Message("assistant", (ToolCall("c1", "f"), ToolCall("c2", "f")))
    results = Message("user", (ToolResult("c1", (Text("r"),)), ToolResult("c2")))
    assert marked(QUESTION, calls, results) == ["0.0", "2.0"]


def test_only_texts_are_marked() -> None:
    image = Media("image", InlineData("aGk="), "image/png")
    assert marked(QUESTION, ANSWER, Message("user", (Text("see"), image))) == ["0.0", "2.0"]
    assert marked(QUESTION, ANSWER, Message("user", (image,))) == ["0.0"]


def test_a_text_stays_the_same() -> None:
    request = Request("m", (QUESTION, ANSWER, QUESTION), "gemini", system=(Text("be kind"),))
    encoded = OPENAI_CHAT_CLIENT.encode(request, Target("up", CLAUDE, OPENROUTER))
    first = json.loads(encoded.body)["messages"][0]
    assert first["content"] == [{"type": "text", "text": "be kind", "cache_control": MARK}]


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "anthropic"},
        {"capabilities": Capabilities("gemini")},
        {"quirks": frozenset()},
        {"quirks": OPENROUTER - {"cache_control"} | {"no_cache_control"}},
        {"extensions": {"prompt_cache_options": {"mode": "explicit"}}},
    ],
)
def test_clients_and_upstreams_can_do_without(changes: dict[str, Any]) -> None:
    assert marked(QUESTION, ANSWER, QUESTION, **changes) == []


def test_a_single_question_without_tools_is_not_marked() -> None:
    assert marked(QUESTION, system=(Text("one"),)) == []


def test_breakpoints_of_the_client_are_the_only_ones() -> None:
    marked_turn = Message("user", (Text("hi", cache=CacheControl()),))
    assert marked(marked_turn, ANSWER, QUESTION, tools=TOOLS) == ["0.0"]
