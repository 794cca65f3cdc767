"""What is wrong in a request is refused, and named the way Anthropic's API names it."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.ir.errors import InvalidRequestError
from tests.protocols.anthropic.builders import COUNT, SERVER, assistant, call, user

NOT_UTF8 = (
    b'{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":'
    b'[{"type":"tool_use","id":"t","name":"n","input":{"a":"\xff"}}]}]}'
)
WRONG = [
    (b"[]", "must be a JSON object", None),
    (b"{", "not valid JSON", None),
    (b'{"model": "\xff"}', "not valid UTF-8", "$"),
    (
        NOT_UTF8,
        "messages.0.content.0.input: Input is not valid UTF-8",
        "$.messages[0].content[0].input",
    ),
    ({"messages": [user("hi")]}, "model: Field required", "$.model"),
    ({"model": "", "messages": [user("hi")]}, "model: ", "$.model"),
    ({"model": "m", "messages": [user("hi")]}, "max_tokens: Field required", "$.max_tokens"),
    ({"messages": []}, "messages: at least one", "$.messages"),
    ({"messages": [{"role": "bot", "content": "x"}]}, "messages.0.role: ", "$.messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Field", "$.messages[0].content"),
    (
        {"messages": [user("a"), user({"text": "x"}, {"type": "text", "text": "y"})]},
        "messages.1.content.0.type: Field required",
        "$.messages[1].content[0].type",
    ),
    (
        {"messages": [user({"type": "text", "text": 1}, {"type": "text", "text": "y"})]},
        "messages.0.content.0.text: ",
        "$.messages[0].content[0].text",
    ),
    (
        {"messages": [assistant({"type": "tool_use", "id": "t", "name": "n", "input": []})]},
        "messages.0.content.0.input: ",
        "$.messages[0].content[0].input",
    ),
    (
        {"messages": [assistant({"type": "tool_result", "tool_use_id": "t"})]},
        "messages.0.content.0: `tool_result` blocks can only be in `user`",
        "$.messages[0].content[0]",
    ),
    (
        {
            "messages": [
                user({"type": "image", "source": {"type": "ftp"}}, {"type": "text", "text": ""})
            ]
        },
        "messages.0.content.0.source.type: ",
        "$.messages[0].content[0].source.type",
    ),
    ({"tools": [{"name": "x"}]}, "tools.0.input_schema: ", "$.tools[0].input_schema"),
    ({"tool_choice": {"type": "some"}}, "tool_choice.type: ", "$.tool_choice.type"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name: ", "$.tool_choice.name"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens: ", "$.thinking.budget_tokens"),
    ({"temperature": "hot"}, "temperature: ", "$.temperature"),
    ({"max_tokens": -1}, "max_tokens: ", "$.max_tokens"),
    ({"system": [{"type": "image"}]}, "system.0.type: ", "$.system[0].type"),
]


@pytest.mark.parametrize(("body", "message", "param"), WRONG, ids=[str(row[1]) for row in WRONG])
def test_invalid_field_is_named(body: Any, message: str, param: str | None) -> None:
    if isinstance(body, dict) and "model" not in body and message != "model: Field required":
        body = {"model": "m", "max_tokens": 1, "messages": [user("hi")]} | body
    with pytest.raises(InvalidRequestError) as caught:
        SERVER.decode(call(body))
    assert message in caught.value.message
    assert caught.value.param == param


def test_counting_needs_no_limit() -> None:
    assert SERVER.decode(call({"model": "m", "messages": [user("hi")]}, COUNT)).model == "m"


def test_a_deep_body_is_refused() -> None:
    deep = b'{"model":"m","max_tokens":1,"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for read in (SERVER.peek, SERVER.decode):
        with pytest.raises(InvalidRequestError):
            read(call(deep))


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"model": 1}', b'{"model": ""}', b"x"])
def test_peek_refuses_body_without_model(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        SERVER.peek(call(body))
