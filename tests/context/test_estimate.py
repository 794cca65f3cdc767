"""Everything in a request counts."""

from __future__ import annotations

import pytest

from antigravity.context.estimate import estimate_text, estimate_tokens
from antigravity.ir.media import InlineData, UrlSource
from antigravity.ir.parts import (
    Media,
    Part,
    SearchResult,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, Request, ResponseFormat
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool

EMPTY = Request("m", (), "test")


def with_part(part: Part) -> int:
    return estimate_tokens(Request("m", (Message("user", (part,)),), "test"))


@pytest.mark.parametrize(
    "part",
    [
        Text("hello there, how are you?"),
        Thinking("a long thought about it"),
        ToolCall("1", "name", '{"a": "some argument"}'),
        ToolResult("1", (Text("what the tool said"),)),
        ToolResult("1", (Media("image", InlineData("AAAA"), "image/png"),)),
        Media("image", UrlSource("https://x.test/a.png")),
        Media("document", InlineData("A" * 30_000), "application/pdf"),
        Media("audio", InlineData("A" * 700_000), "audio/mpeg"),
        WebSearch("s", ("q",), (SearchResult("https://x.test", "title", "x" * 100),)),
    ],
)
def test_every_part_has_tokens(part: Part) -> None:
    assert with_part(part) > with_part(Text("")) + 2


def test_empty_request_has_one_token() -> None:
    assert estimate_tokens(EMPTY) == 1


def test_system_prompt_tools_and_schema_count() -> None:
    for fields in (
        {"system": (Text("be brief, be kind"),)},
        {"tools": (FunctionTool("f", "does", {"type": "object", "properties": {}}),)},
        {"tools": (CustomTool("c", "does", {"type": "text"}),)},
        {"tools": (HostedTool("code_execution", "gemini", {"a": 1}),)},
        {"response_format": ResponseFormat("schema", schema={"type": "object", "title": "T"})},
    ):
        assert estimate_tokens(Request("m", (), "test", **fields)) > 4  # type: ignore[arg-type]


def test_scripts_without_spaces_have_more_tokens_per_character() -> None:
    assert estimate_text("漢字" * 10) > 2 * estimate_text("ab" * 10)
