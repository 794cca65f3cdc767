"""Requests for an upstream say what was asked, in words that the API takes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from msgspec.structs import replace
from pydantic import TypeAdapter

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
    CacheControl,
    Media,
    Opaque,
    SearchResult,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, ToolChoice, WebSearchTool
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT

CLIENT = ANTHROPIC_CLIENT
PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)
CLAUDE = Signature("sig", "claude")
GEMINI = Signature("sig", "gemini")
ADAPTIVE = Capabilities(family="claude", thinking="adaptive", web_search=True)
BUDGET = Capabilities(family="claude", thinking="budget", max_budget=32_000, web_search=True)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**SCHEMA, "additionalProperties": False}
GET = FunctionTool("get", "Get it.", SCHEMA)


def request(*messages: Message, protocol: str = "openai_chat", **fields: Any) -> Request:
    return Request("client-name", messages or (user_turn("hi"),), protocol, **fields)


def user_turn(*parts: Any) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant_turn(*parts: Any) -> Message:
    return replace(user_turn(*parts), role="assistant")


def encode(asked: Request, capabilities: Capabilities = ADAPTIVE) -> tuple[Any, set[str]]:
    encoded = CLIENT.encode(asked, Target("up", capabilities))
    return json.loads(encoded.body), {loss.field for loss in encoded.warnings}


def contents(*messages: Message, **fields: Any) -> tuple[list[Any], set[str]]:
    body, losses = encode(request(*messages, **fields))
    return [turn["content"] for turn in body["messages"]], losses


def test_minimal_request_is_encoded() -> None:
    body, losses = encode(request())
    assert body == {
        "model": "up",
        "max_tokens": 32000,
        "stream": False,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }
    assert not losses
    assert encode(request(stream=True))[0] == {**body, "stream": True}


def test_output_limit_is_within_model_limit() -> None:
    small = replace(ADAPTIVE, max_output_tokens=4000)
    assert encode(request(), small)[0]["max_tokens"] == 4000
    assert encode(request(max_output_tokens=50), small)[0]["max_tokens"] == 50
    body, losses = encode(request(max_output_tokens=9000), small)
    assert (body["max_tokens"], losses) == (4000, {"max_output_tokens"})


def test_turns_alternate_and_begin_with_the_user() -> None:
    body, losses = encode(
        request(
            assistant_turn("first"),
            user_turn("a"),
            Message("system", (Text("by the way"),)),
            user_turn(" "),
            assistant_turn(),
            user_turn("b"),
        )
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in body["messages"][2]["content"]] == ["a", "by the way", "b"]
    assert losses == {"messages", "messages.role"}


def test_results_precede_text_in_their_turn_and_ids_are_made_legal() -> None:
    turns, losses = contents(
        user_turn("hi"),
        assistant_turn(ToolCall("call:1", "get", '{"x": 1e2}'), ToolCall("call/1", "get", "")),
        user_turn("so", ToolResult("call/1", (Text("two"),)), ToolResult("call:1", (Text("one"),))),
    )
    first, second = turns[1]
    assert (first["id"], second["id"]) == ("call_1", "call_1_2")
    assert [block.get("tool_use_id") for block in turns[2]] == ["call_1_2", "call_1", None]
    assert not losses


def test_arguments_keep_their_spelling_and_broken_ones_are_wrapped() -> None:
    asked = request(
        user_turn("hi"), assistant_turn(ToolCall("a", "get", '{"x": 1.0e2}')), user_turn("x")
    )
    assert b'"input":{"x": 1.0e2}' in CLIENT.encode(asked, Target("up")).body
    turns, losses = contents(
        user_turn("hi"), assistant_turn(ToolCall("a", "get", "{oops")), user_turn("x")
    )
    assert turns[1][0]["input"] == {"raw": "{oops"}
    assert losses == {"messages.tool_call.arguments"}


def test_results_with_media() -> None:
    result = ToolResult(
        "a",
        (Text("see"), Media("image", InlineData("AA=="), "image/png")),
        is_error=True,
        cache=CacheControl("1h"),
    )
    turns, losses = contents(
        user_turn("hi"), assistant_turn(ToolCall("a", "get")), user_turn(result)
    )
    assert turns[2] == [
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "is_error": True,
            "content": [
                {"type": "text", "text": "see"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
                },
            ],
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        }
    ]
    assert not losses
    empty = ToolResult("a", is_error=True)
    turns, _ = contents(user_turn("hi"), assistant_turn(ToolCall("a", "get")), user_turn(empty))
    assert turns[2][0]["content"] == "(no output)"


def test_media_that_cannot_be_sent_is_a_loss() -> None:
    csv = base64.b64encode(b"a,b").decode()
    turns, losses = contents(
        user_turn(
            "hi",
            Media("audio", InlineData("AA=="), "audio/wav"),
            Media("video", UrlSource("http://x")),
            Media("image", FileReference("f", "openai")),
            Media("document", InlineData("/w=="), "application/msword"),
            Media("document", InlineData(csv), "text/csv", title="T"),
        )
    )
    assert [block["text"] for block in turns[0][1:5]] == [
        f"[{kind} left out: it cannot be sent]" for kind in ("audio", "video", "image", "document")
    ]
    assert turns[0][5:] == [
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
            "title": "T",
        }
    ]
    assert losses == {"messages.media"}


def test_only_claude_thinking_is_sent_and_precedes_other_parts() -> None:
    turns, losses = contents(
        user_turn("hi"),
        assistant_turn(
            Thinking("foreign", GEMINI),
            Thinking("unsigned"),
            "text",
            Thinking("", CLAUDE),
            Thinking("", Signature("", "claude"), "blob"),
            Thinking("", Signature("", "openai"), "blob"),
        ),
        user_turn("x"),
    )
    assert turns[1] == [
        {"type": "thinking", "thinking": "", "signature": "sig"},
        {"type": "redacted_thinking", "data": "blob"},
        {"type": "text", "text": "text"},
    ]
    assert losses == {"messages.thinking"}


def test_searches_are_encoded() -> None:
    ours = WebSearch("srvtoolu_1", ("q",), (SearchResult("u", "t", "enc"),))
    theirs = WebSearch("ws", ("q",), (SearchResult("u", "t"),))
    turns, losses = contents(user_turn("hi"), assistant_turn(ours, theirs), user_turn("x"))
    assert [block["type"] for block in turns[1]] == [
        "server_tool_use",
        "web_search_tool_result",
        "text",
    ]
    assert turns[1][2]["text"] == "Web search: q\n- t u"
    assert losses == {"messages.web_search"}


def test_opaque_parts_are_sent_to_their_own_protocol_only() -> None:
    wire = {"type": "mcp_tool_use", "id": "x"}
    turns, losses = contents(
        user_turn("hi"),
        assistant_turn(Opaque("anthropic", "k", wire), Opaque("gemini", "k", {})),
        user_turn("x"),
    )
    assert turns[1] == [wire]
    assert losses == {"messages.parts"}


@pytest.mark.parametrize("thinks", [False, True])
def test_trailing_assistant_turn_is_sent_only_where_prefill_is_supported(thinks: bool) -> None:
    asked = request(user_turn("hi"), assistant_turn("So: \n"))
    if thinks:
        asked = replace(asked, thinking=ThinkingConfig("on", effort="low"))
    body, losses = encode(asked)
    if thinks:
        assert (len(body["messages"]), losses) == (1, {"messages"})
    else:
        assert body["messages"][1]["content"][0]["text"] == "So:"
    body, losses = encode(asked, replace(ADAPTIVE, prefill=False))
    assert (len(body["messages"]), losses) == (1, {"messages"})


@pytest.mark.parametrize(
    ("wish", "capabilities", "field", "effort", "lost"),
    [
        (ThinkingConfig(), BUDGET, None, None, set()),
        (ThinkingConfig("on", 5000), BUDGET, 5000, None, set()),
        (ThinkingConfig("on", 90_000), BUDGET, 31_999, None, {"thinking.budget"}),
        (ThinkingConfig("on", 10), BUDGET, 1024, None, {"thinking.budget"}),
        (ThinkingConfig("on", effort="minimal"), BUDGET, 1024, None, set()),
        (ThinkingConfig("on", effort="low"), BUDGET, 4096, None, set()),
        (ThinkingConfig("on", effort="medium"), BUDGET, 12_000, None, set()),
        (ThinkingConfig("on", effort="high"), BUDGET, 24_576, None, set()),
        (ThinkingConfig("on", effort="none"), BUDGET, "disabled", None, set()),
        (ThinkingConfig("off"), BUDGET, "disabled", None, set()),
        (ThinkingConfig("adaptive"), BUDGET, 12_000, None, {"thinking.mode"}),
        (ThinkingConfig("adaptive", effort="high"), ADAPTIVE, "adaptive", "high", set()),
        (ThinkingConfig("on", effort="minimal"), ADAPTIVE, "adaptive", "low", {"thinking.effort"}),
        (ThinkingConfig("on", 30_000), ADAPTIVE, "adaptive", "high", {"thinking.budget"}),
        (ThinkingConfig(effort="low"), ADAPTIVE, None, "low", set()),
        (ThinkingConfig("off"), ADAPTIVE, "disabled", None, set()),
        (ThinkingConfig("on", 5000), Capabilities(), None, None, {"thinking"}),
    ],
)
def test_thinking_is_encoded(
    wish: ThinkingConfig, capabilities: Capabilities, field: Any, effort: Any, lost: set[str]
) -> None:
    body, losses = encode(request(thinking=wish, max_output_tokens=64_000), capabilities)
    if field == 31_999:
        field = 32_000
    expected = {"type": "enabled", "budget_tokens": field} if isinstance(field, int) else field
    found = body.get("thinking")
    assert found == (expected if expected is None or isinstance(field, int) else {"type": field})
    assert body.get("output_config", {}).get("effort") == effort
    assert losses == lost


def test_the_budget_fits_the_limit() -> None:
    wish = ThinkingConfig("on", 8000)
    body, losses = encode(request(thinking=wish, max_output_tokens=5000), BUDGET)
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (5000, 3976)
    assert losses == {"thinking.budget"}
    body, losses = encode(request(thinking=wish, max_output_tokens=100), BUDGET)
    assert body["thinking"] == {"type": "disabled"}
    assert losses == {"thinking"}


def test_a_forced_call_forbids_thinking() -> None:
    body, losses = encode(
        request(
            tools=(GET,),
            tool_choice=ToolChoice("required", ("get",)),
            thinking=ThinkingConfig("on"),
        )
    )
    assert body["tool_choice"] == {"type": "tool", "name": "get"}
    assert body["thinking"] == {"type": "disabled"}
    assert losses == {"thinking"}


def test_open_call_without_thinking_disables_budget_thinking() -> None:
    call_part, result = ToolCall("a", "get"), ToolResult("a", (Text("1"),))
    thinking = ThinkingConfig("on", 2000)
    lost = request(user_turn("hi"), assistant_turn(call_part), user_turn(result), thinking=thinking)
    assert encode(lost, BUDGET)[0]["thinking"] == {"type": "disabled"}
    assert encode(lost, ADAPTIVE)[0]["thinking"] == {"type": "adaptive"}
    kept = request(
        user_turn("hi"),
        assistant_turn(Thinking("x", CLAUDE), call_part),
        user_turn(result),
        thinking=thinking,
    )
    assert encode(kept, BUDGET)[0]["thinking"]["type"] == "enabled"


def test_sampling_is_encoded() -> None:
    sampling = Sampling(1.7, 0.5, 3, seed=1, presence_penalty=0.5)
    body, losses = encode(request(sampling=sampling))
    assert (body["temperature"], body["top_k"]) == (1.0, 3)
    assert "top_p" not in body
    assert losses == {
        "sampling.temperature",
        "sampling.top_p",
        "sampling.seed",
        "sampling.presence_penalty",
    }
    body, losses = encode(request(sampling=Sampling(0.3, 0.5, 3), thinking=ThinkingConfig("on")))
    assert not {"temperature", "top_p", "top_k"} & set(body)
    assert losses == {"sampling.temperature", "sampling.top_p", "sampling.top_k"}
    body, losses = encode(request(sampling=Sampling(0.3)), replace(ADAPTIVE, sampling=False))
    assert "temperature" not in body
    assert losses == {"sampling.temperature"}


def test_tools_are_encoded() -> None:
    hosted = HostedTool("bash_20250124", "anthropic", {"type": "bash_20250124", "name": "bash"})
    tools = (
        FunctionTool("bare", cache=CacheControl()),
        replace(GET, strict=True, parameters=CLOSED),
        CustomTool("free"),
        WebSearchTool(max_uses=2, allowed_domains=("a",), blocked_domains=("b",)),
        hosted,
        HostedTool("code_execution", "gemini"),
    )
    body, losses = encode(request(tools=tools, parallel_tool_calls=False))
    bare, get, free, search, bash = body["tools"]
    assert bare == {
        "name": "bare",
        "input_schema": {"type": "object", "properties": {}},
        "cache_control": {"type": "ephemeral"},
    }
    assert get == {"name": "get", "description": "Get it.", "input_schema": CLOSED, "strict": True}
    assert free["input_schema"]["required"] == ["input"]
    assert search == {
        "type": "web_search_20250305",
        "name": "web_search",
        "max_uses": 2,
        "allowed_domains": ["a"],
    }
    assert bash == hosted.wire
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert losses == {"tools", "tools.blocked_domains"}
    assert "tools" not in encode(request(tools=(WebSearchTool(),)), Capabilities())[0]


def test_a_choice_among_several_tools_offers_these_only() -> None:
    tools = (GET, replace(GET, name="put"), replace(GET, name="del"))
    body, _ = encode(request(tools=tools, tool_choice=ToolChoice("required", ("get", "put"))))
    assert [tool["name"] for tool in body["tools"]] == ["get", "put"]
    assert body["tool_choice"] == {"type": "any"}


def test_response_format_becomes_output_config_or_instruction() -> None:
    schema = ResponseFormat("schema", schema=SCHEMA)
    body, losses = encode(request(response_format=schema))
    closed = {**SCHEMA, "additionalProperties": False}
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": closed}}
    assert not losses
    for form, able in ((schema, False), (ResponseFormat("json"), True)):
        body, losses = encode(
            request(response_format=form), replace(ADAPTIVE, structured_output=able)
        )
        assert "JSON" in body["system"][0]["text"]
        assert losses == {"response_format"}


def test_extensions_are_sent_to_their_own_protocol_only() -> None:
    edits = [{"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}]
    extensions = {
        "container": "c",
        "context_management": {"edits": edits},
        "anthropic.tools": {"get": {"defer_loading": True}},
    }
    asked = request(protocol="anthropic", extensions=extensions, tools=(GET,))
    body, losses = encode(asked)
    assert body["container"] == "c"
    assert body["context_management"] == {"edits": edits[1:]}
    assert body["tools"][0]["defer_loading"] is True
    assert losses == {"extensions.context_management"}
    body, _ = encode(replace(asked, thinking=ThinkingConfig("adaptive")))
    assert body["context_management"] == {"edits": edits}
    body, _ = encode(replace(asked, protocol="gemini"))
    assert not {"container", "context_management"} & set(body)


def test_count_request_is_encoded() -> None:
    asked = request(tools=(GET,), sampling=Sampling(0.5), user="u", system=(Text("s"),))
    encoded = CLIENT.encode_count(asked, Target("up", ADAPTIVE))
    assert encoded is not None
    assert set(json.loads(encoded.body)) == {"model", "messages", "system", "tools"}
