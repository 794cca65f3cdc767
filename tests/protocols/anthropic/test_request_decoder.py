"""Requests of clients are read as they are meant, and refused where they are wrong."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IServerProtocol, IStreamEncoder
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
from antigravity.ir.request import ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.tools import FunctionTool, HostedTool, ToolChoice, WebSearchTool
from tests.protocols.anthropic.builders import (
    COUNT,
    MESSAGES,
    SERVER,
    assistant,
    call,
    decode,
    user,
)

RECORDED = [
    json.loads(line)
    for line in Path(__file__).with_name("recorded_requests.jsonl").read_text().splitlines()
]


def parts(*blocks: Any, role: str = "user") -> tuple[Any, ...]:
    turns = [user("hi"), {"role": role, "content": list(blocks)}]
    return decode(messages=turns).messages[1].parts


def test_server_provides_its_interfaces() -> None:
    from tests.protocols.anthropic.builders import context

    assert verifyObject(IServerProtocol, SERVER)
    assert verifyObject(IStreamEncoder, SERVER.encoder(context()))


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row["source"])
def test_recorded_requests_are_decoded_completely(row: Any) -> None:
    body = row["body"]
    cut = body.get("tools", [])
    body = body | ({"tools": [tool for tool in cut if isinstance(tool, dict)]} if cut else {})
    one = call(body, COUNT if row["path"].endswith("count_tokens") else MESSAGES)
    request = SERVER.decode(one)
    assert request.model == body["model"] == SERVER.peek(one).model
    assert request.stream == SERVER.peek(one).stream == body.get("stream", False)
    assert len(request.tools) == len(body.get("tools", []))
    assert len(request.messages) == len(body["messages"])
    for wire, message in zip(body["messages"], request.messages, strict=True):
        assert message.role == wire["role"]
        content = wire["content"]
        assert len(message.parts) == (1 if isinstance(content, str) else len(content))
        assert not any(isinstance(part, Opaque) for part in message.parts)
    for name in ("context_management", "safeguards"):
        assert request.extensions.get(name) == body.get(name)
    changed = json.loads(SERVER.with_model(one, "other"))
    assert changed == {**body, "model": "other"}


def test_request_of_claude_code_is_decoded() -> None:
    body = next(row["body"] for row in RECORDED if row["source"] == "claude_jsonschema")
    body = body | {"tools": body["tools"][:1]}
    request = SERVER.decode(call(body))
    assert request.thinking == ThinkingConfig("adaptive", None, "medium", include=False)
    assert [message.role for message in request.messages] == ["user", "system"]
    assert request.extensions["anthropic.messages"][0]["index"] == 1
    assert request.system[1].cache == CacheControl()
    assert request.user == request.metadata["user_id"]


def test_with_model_changes_only_the_model() -> None:
    body = b' {"a": {"model": "in"},\n "model"  :\t"x", "b": 1.0e2, "messages": []} '
    assert SERVER.with_model(call(body), 'y"') == body.replace(b'"x"', b'"y\\""')


def test_settings_are_decoded() -> None:
    request = decode(
        system="be kind",
        temperature=0,
        top_p=0.9,
        top_k=3,
        stop_sequences=["END"],
        stream=True,
        tool_choice={"type": "tool", "name": "get", "disable_parallel_tool_use": True},
        output_config={"effort": "xhigh", "format": {"type": "json_schema", "schema": {"a": 1}}},
        service_tier="auto",
        betas=["x"],
    )
    assert request.system == (Text("be kind"),)
    assert request.sampling == Sampling(0.0, 0.9, 3)
    assert request.stop == ("END",)
    assert request.stream
    assert request.max_output_tokens == 10
    assert request.tool_choice == ToolChoice("required", ("get",))
    assert request.parallel_tool_calls is False
    assert request.thinking == ThinkingConfig(effort="xhigh")
    assert request.response_format == ResponseFormat("schema", schema={"a": 1})
    assert request.extensions == {"service_tier": "auto", "betas": ["x"]}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 9}, ThinkingConfig("on", 9)),
        (
            {"type": "enabled", "budget_tokens": 9, "display": "updates"},
            ThinkingConfig("on", 9, include=True),
        ),
        ({"type": "adaptive", "display": "summarized"}, ThinkingConfig("adaptive", include=True)),
        ({"type": "adaptive", "display": "omitted"}, ThinkingConfig("adaptive", include=False)),
        ({"type": "disabled"}, ThinkingConfig("off")),
        ({"type": "between_tools"}, ThinkingConfig("off")),
    ],
)
def test_thinking_is_decoded(field: Any, expected: ThinkingConfig) -> None:
    assert decode(thinking=field).thinking == expected


def test_the_older_output_format() -> None:
    request = decode(output_format={"type": "json_schema", "schema": {"type": "object"}})
    assert request.response_format == ResponseFormat("schema", schema={"type": "object"})


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ({"type": "auto"}, ToolChoice("auto")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "none"}, ToolChoice("none")),
    ],
)
def test_tool_choice_is_decoded(wire: Any, expected: ToolChoice) -> None:
    assert decode(tool_choice=wire).tool_choice == expected


def test_tools_are_decoded() -> None:
    schema = {"type": "object"}
    request = decode(
        tools=[
            {"name": "a", "input_schema": schema, "defer_loading": True},
            {"type": "custom", "name": "b", "description": "d", "input_schema": {}, "strict": True},
            {
                "name": "c",
                "input_schema": schema,
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            },
            {"type": "web_search_20260318", "name": "web_search", "max_uses": 3},
            {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["x.org"]},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "web_fetch_20250910", "name": "web_fetch"},
            {"type": "mcp_toolset", "mcp_server_name": "s"},
        ]
    )
    assert request.tools[:5] == (
        FunctionTool("a", "", schema),
        FunctionTool("b", "d", {}, strict=True),
        FunctionTool("c", "", schema, cache=CacheControl("1h")),
        WebSearchTool(max_uses=3),
        WebSearchTool(allowed_domains=("x.org",)),
    )
    hosted = [tool for tool in request.tools[5:] if isinstance(tool, HostedTool)]
    assert [tool.kind for tool in hosted] == [
        "bash_20250124",
        "code_execution",
        "url_context",
        "mcp_toolset",
    ]
    assert request.extensions == {"anthropic.tools": {"a": {"defer_loading": True}}}


def test_system_entries_before_the_conversation_belong_to_the_system_prompt() -> None:
    said = [{"role": "system", "content": "b"}, user("hi"), {"role": "system", "content": "c"}]
    request = decode(system=[{"type": "text", "text": "a"}], messages=said)
    assert [text.text for text in request.system] == ["a", "b"]
    assert [message.role for message in request.messages] == ["user", "system"]


def test_media_are_decoded() -> None:
    cache = {"cache_control": {"type": "ephemeral"}}
    found = parts(
        {"type": "image", "source": {"type": "base64", "media_type": "image/PNG", "data": "AA=="}},
        {"type": "image", "source": {"type": "url", "url": "http://x/y"}, **cache},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {
            "type": "document",
            "title": "T",
            "context": "C",
            "citations": {"enabled": True},
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
    )
    assert found == (
        Media("image", InlineData("AA=="), "image/png"),
        Media("image", UrlSource("http://x/y"), cache=CacheControl()),
        Media("image", FileReference("file_1", "anthropic")),
        Media("document", InlineData("AA=="), "application/pdf", title="T", context="C"),
        Media("document", InlineData(base64.b64encode("é".encode()).decode()), "text/plain"),
    )


def test_documents_of_blocks_and_search_results_become_text() -> None:
    found = parts(
        {
            "type": "document",
            "title": "T",
            "source": {"type": "content", "content": [{"type": "text", "text": "x"}]},
        },
        {
            "type": "search_result",
            "source": "http://a",
            "title": "A",
            "content": [{"type": "text", "text": "body"}],
        },
    )
    assert found == (Text("T"), Text("x"), Text("A\nhttp://a\n\nbody"))


def test_calls_and_results() -> None:
    spelled = b'{"x": 1.0e2, "y": "\\u00e9"}'
    body = {
        "model": "m",
        "max_tokens": 1,
        "messages": [
            user("hi"),
            assistant({"type": "tool_use", "id": "t1", "name": "get", "input": "@"}),
            user(
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "is_error": True,
                    "cache_control": {"type": "ephemeral"},
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image", "source": {"type": "url", "url": "u"}},
                        {"type": "tool_reference", "tool_name": "z"},
                    ],
                },
                {"type": "tool_result", "tool_use_id": "t2", "content": "plain"},
                {"type": "tool_result", "tool_use_id": "t3"},
            ),
        ],
    }
    request = SERVER.decode(call(json.dumps(body).encode().replace(b'"@"', spelled)))
    assert request.messages[1].parts == (ToolCall("t1", "get", spelled.decode()),)
    assert request.messages[2].parts == (
        ToolResult(
            "t1",
            (
                Text("a"),
                Media("image", UrlSource("u")),
                Text('{"type": "tool_reference", "tool_name": "z"}'),
            ),
            is_error=True,
            name="get",
            cache=CacheControl(),
        ),
        ToolResult("t2", (Text("plain"),)),
        ToolResult("t3"),
    )


def test_thinking_blocks() -> None:
    found = parts(
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "thinking", "thinking": "", "signature": "ag1.openai.blob"},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "redacted_thinking", "data": "d"},
        role="assistant",
    )
    assert found == (
        Thinking("a", Signature("s", "claude")),
        Thinking("", Signature("blob", "openai")),
        Thinking("", Signature("", "claude"), "d"),
    )


def test_sealed_signature_is_restored_on_its_call() -> None:
    tool = {"type": "tool_use", "id": "t", "name": "get", "input": {}}
    sealed = {"type": "thinking", "signature": "ag1.gemini.sig"}
    assert parts(
        {**sealed, "thinking": "hm"}, tool, {**sealed, "thinking": ""}, tool, tool, role="assistant"
    ) == (
        Thinking("hm"),
        ToolCall("t", "get", signature=Signature("sig", "gemini")),
        ToolCall("t", "get", signature=Signature("sig", "gemini")),
        ToolCall("t", "get"),
    )


def test_web_searches_are_one_part() -> None:
    use = {
        "type": "server_tool_use",
        "id": "srvtoolu_1",
        "name": "web_search",
        "input": {"query": "q"},
    }
    item = {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e"}
    fault = {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [item]}
    cited = {"type": "web_search_result_location", "url": "u", "encrypted_index": "i", "title": "t"}
    found = parts(
        {"type": "text", "text": "ab"},
        use,
        result,
        {**use, "id": "srvtoolu_2"},
        {**result, "tool_use_id": "srvtoolu_2", "content": fault},
        {**use, "name": "code_execution"},
        {"type": "text", "text": "cde", "citations": [cited]},
        role="assistant",
    )
    assert found[1:3] == (
        WebSearch("srvtoolu_1", ("q",), (SearchResult("u", "t", "e"),)),
        WebSearch("srvtoolu_2", ("q",), error="unavailable"),
    )
    assert isinstance(found[3], Opaque)
    (citation,) = found[4].citations
    assert (citation.url, citation.start, citation.end) == ("u", 2, 5)


def test_unknown_blocks_become_opaque_parts() -> None:
    block = {"type": "mcp_tool_use", "id": "x", "new": {"deep": [1]}}
    assert parts(block, role="assistant") == (Opaque("anthropic", "mcp_tool_use", block),)
