"""The simulated Anthropic API refuses invalid requests with the provider's messages."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.simulator.errors import ApiError
from antigravity.simulator.signatures import sign
from antigravity.simulator.validation.anthropic import check

USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
UPPER = {"type": "object", "properties": {"a": {"type": "STRING"}}}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
THINKING = {"type": "enabled", "budget_tokens": 1024}
SIGNED = {"type": "thinking", "thinking": "x", "signature": sign("claude", "x")}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    """Return a request; the messages alternate, beginning with the user."""
    roles = ("user", "assistant")
    made = [
        message if isinstance(message, dict) else {"role": roles[index % 2], "content": message}
        for index, message in enumerate(messages or ("hi",))
    ]
    return {"model": "claude-sonnet-4-6", "max_tokens": 2048, "messages": made, **fields}


def text(content: str) -> list[dict[str, Any]]:
    """Return a text block."""
    return [{"type": "text", "text": content}]


def image(media_type: str, data: str) -> list[dict[str, Any]]:
    """Return an image block."""
    source = {"type": "base64", "media_type": media_type, "data": data}
    return [{"type": "image", "source": source}]


REFUSED: list[tuple[dict[str, Any], str]] = [
    (body(max_tokens=None), "max_tokens: Field required"),
    (body(frequency_penalty=1), "frequency_penalty: Extra inputs are not permitted"),
    (body({"role": "system", "content": "x"}, "y"), 'Unexpected role "system"'),
    (body({"role": "tool", "content": "x"}), "messages.0.role: Input should be 'user'"),
    (body(text("")), "text content blocks must be non-empty"),
    (body(text(" ")), "text content blocks must contain non-whitespace text"),
    (body([]), "messages.0: all messages must have non-empty content"),
    (body([{"type": "text", "text": "x", "id": 1}]), "messages.0.content.0.text.id: Extra"),
    (body([{"type": "input_text", "text": "x"}]), "Input tag 'input_text' found"),
    (body("a", [USE]), "does not support assistant message prefill"),
    (body("a", [USE], "b"), "messages.1: `tool_use` ids were found without `tool_result`"),
    (body("a", [USE], [*text("b"), RESULT]), "`tool_use` ids were found without `tool_result`"),
    (body("a", "b", [RESULT]), "messages.2.content.0: unexpected `tool_use_id` found in"),
    (body("a", [USE, USE], [RESULT]), "`tool_use` ids must be unique"),
    (body("a", [USE], [RESULT, RESULT]), "each tool_use must have a single result"),
    (body("a", [{**USE, "id": "a.b"}], [RESULT]), "String should match pattern '^[a-zA-Z0-9_-]+$'"),
    (body([USE]), "`tool_use` blocks can only be in `assistant` messages"),
    (body("a", [{**USE, "input": "{}"}], [RESULT]), "Input should be a valid dictionary"),
    (body(tools=[{**TOOL, "name": "a.b"}]), "tools.0.custom.name: String should match pattern"),
    (body(tools=[{"name": "f"}]), "tools.0.custom.input_schema: Field required"),
    (body(tools=[TOOL, TOOL]), "tools: Tool names must be unique."),
    (body(tools=[{**TOOL, "input_schema": UPPER}]),
     "JSON schema is invalid"),
    (body(tool_choice={"type": "any"}), "may only be specified while providing tools"),
    (body(tools=[TOOL], tool_choice={"type": "tool", "name": "g"}), "Tool 'g' not found"),
    (body(thinking={**THINKING, "budget_tokens": 2048}), "`max_tokens` must be greater than"),
    (body(thinking={**THINKING, "budget_tokens": 1}), "greater than or equal to 1024"),
    (body(thinking=THINKING, temperature=0.5), "`temperature` may only be set to 1"),
    (body(thinking=THINKING, tools=[TOOL], tool_choice={"type": "any"}), "Thinking may not be"),
    (body("a", [USE], [RESULT], thinking=THINKING), "content.0.type: Expected `thinking`"),
    (body("a", [{**SIGNED, "signature": "x"}, USE], [RESULT]), "Invalid `signature` in `thinking`"),
    (body("a", [{**SIGNED, "thinking": "y"}, USE], [RESULT]), "Invalid `signature` in `thinking`"),
    (body("a", [{"type": "thinking", "thinking": "x"}], "b"), "thinking.signature: Field required"),
    (body(model="claude-opus-4-8", thinking=THINKING), '"thinking.type.enabled" is not supported'),
    (body(model="claude-haiku-4-5", thinking={"type": "adaptive"}), "not supported on this model"),
    (body(temperature=0.5, top_p=0.5), "cannot both be specified"),
    (body(stop_sequences=[" "]), "each stop sequence must contain non-whitespace"),
    (body(image("image/png", "?")),
     "Invalid base64 data"),
    (body(image("image/tiff", "")),
     "media_type: Input should be 'image/jpeg'"),
    (body(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
     "'additionalProperties' must be explicitly set to false"),
    (body([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5),
     "A maximum of 4 blocks with cache_control may be provided. Found 5."),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_invalid_request_is_refused(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        check(request_)
    assert caught.value.status == 400
    assert message in caught.value.message


@pytest.mark.parametrize(
    "request_",
    [
        body("a", [SIGNED, USE], [RESULT, *text("more")], thinking=THINKING, tools=[TOOL]),
        body({"role": "user", "content": "a"}, {"role": "user", "content": "b"}),
        body("a", {"role": "assistant", "content": [USE]}, [RESULT],
             {"role": "system", "content": "note"}, {"role": "user", "content": "b"},
             model="claude-sonnet-5"),
        body(thinking={"type": "adaptive", "display": "omitted"}, model="claude-opus-4-8"),
        body("a", [{**SIGNED, "thinking": ""}, USE], [RESULT]),
        body("a", "prefilled", model="claude-haiku-4-5"),
        body(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    ],
)  # fmt: skip
def test_valid_request_is_accepted(request_: dict[str, Any]) -> None:
    check(request_)


def test_unknown_model_is_not_found() -> None:
    with pytest.raises(ApiError) as caught:
        check(body(model="no-such-model"))
    assert caught.value.status == 404
