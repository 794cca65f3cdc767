"""What SDKs cannot read in passed replies of compatible servers is made whole."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest
from openai.types.chat import ChatCompletion

from antigravity.protocols.anthropic.client_tap import AnthropicTap
from antigravity.protocols.openai_chat.client_tap import ChatTap
from antigravity.sse import ServerSentEvent

HEAD = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


def repair(name: str, **fields: Any) -> tuple[str, Any]:
    event = ServerSentEvent(
        name, json.dumps({"type": name or fields.pop("kind"), **fields}).encode()
    )
    found = AnthropicTap().repair(event)
    return found.event, json.loads(found.data)


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in HEAD.items() if name not in names} | more


@pytest.mark.parametrize(
    ("message", "changed"),
    [
        (without("usage"), {"usage": {"input_tokens": 0, "output_tokens": 0}}),
        (HEAD | {"usage": None}, {"usage": {"input_tokens": 0, "output_tokens": 0}}),
        (
            HEAD | {"usage": {"input_tokens": "7"}},
            {"usage": {"input_tokens": 7, "output_tokens": 0}},
        ),
        (without("content"), {}),
        (HEAD | {"content": None}, {}),
        (without("stop_reason", "stop_sequence", "type", "role"), {}),
    ],
)
def test_message_start_gets_members_that_sdks_require(
    message: dict[str, Any], changed: dict[str, Any]
) -> None:
    _, found = repair("message_start", message=message)
    assert found["message"] == HEAD | changed


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {}}])
def test_message_delta_gets_token_counts(usage: dict[str, Any]) -> None:
    _, found = repair("message_delta", delta={"stop_reason": "end_turn"}, **usage)
    assert found["usage"] == {"output_tokens": 0}
    assert found["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


@pytest.mark.parametrize(
    ("block", "whole"),
    [
        ({"type": "text"}, {"type": "text", "text": ""}),
        ({"type": "text", "text": None}, {"type": "text", "text": ""}),
        ({"type": "thinking"}, {"type": "thinking", "thinking": "", "signature": ""}),
        ({"type": "tool_use", "input": None}, {"type": "tool_use", "input": {}}),
        ({"type": "tool_use", "input": '{"a":1}'}, {"type": "tool_use", "input": {"a": 1}}),
        ({"type": "tool_use", "input": [1]}, {"type": "tool_use", "input": {"raw": "[1]"}}),
        ({"type": "of the future"}, {"type": "of the future"}),
    ],
)
def test_block_start_gets_missing_members(block: dict[str, Any], whole: Any) -> None:
    assert repair("content_block_start", index=0, content_block=block)[1]["content_block"] == whole


def test_an_event_without_a_name_gets_one() -> None:
    assert repair("", kind="message_stop") == ("message_stop", {"type": "message_stop"})
    assert repair("message", kind="x")[0] == "message"


@pytest.mark.parametrize(
    "event",
    [
        ServerSentEvent("message_start", json.dumps({"message": HEAD}).encode()),
        ServerSentEvent("content_block_delta", b"{"),
        ServerSentEvent("message_start", b"{"),
        ServerSentEvent("message_start", b'{"message":5}'),
        ServerSentEvent("", b"<html>"),
        ServerSentEvent("ping", b'{"type":"ping"}'),
    ],
)
def test_complete_event_is_unchanged(event: ServerSentEvent) -> None:
    assert AnthropicTap().repair(event) is event


@pytest.mark.parametrize(
    "change",
    [
        {"content": "hi"},
        {"content": None},
        {"content": [None, {"type": "text", "text": "hi"}]},
        {"content": [{"type": "tool_use", "id": "a", "name": "f", "input": "{}"}]},
        {"content": [{"type": "tool_use", "id": "a", "name": "f", "input": None}]},
        {"usage": None},
        {"type": None, "role": None, "id": None, "model": None},
    ],
)
def test_a_whole_message_can_be_read(change: dict[str, Any]) -> None:
    body = AnthropicTap().repair_body(json.dumps(HEAD | change).encode())
    message = anthropic.types.Message.model_validate_json(body, strict=False)
    assert all(isinstance(getattr(block, "input", {}), dict) for block in message.content)


@pytest.mark.parametrize(
    "body", [b"{}", b"[", b'{"type":"error","error":{}}', json.dumps(HEAD).encode()]
)
def test_valid_message_and_other_bodies_are_unchanged(body: bytes) -> None:
    assert AnthropicTap().repair_body(body) is body


CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
}


@pytest.mark.parametrize(
    ("choice", "head"),
    [
        ({"delta": {"content": "hi"}, "message": None}, {}),
        ({"message": {"content": [{"type": "text", "text": "hi"}]}}, {}),
        ({"message": {"content": ["h", "i"]}, "index": None}, {}),
        ({"finish_reason": None}, {"usage": []}),
        ({"finish_reason": ""}, {}),
        ({"finish_reason": ""}, {"id": None, "created": "now", "object": None}),
        ({"finish_reason": 1, "index": "0"}, {"model": None, "usage": None}),
    ],
)
def test_a_whole_chat_completion_can_be_read(choice: dict[str, Any], head: dict[str, Any]) -> None:
    wire = CHAT | head | {"choices": [CHAT["choices"][0] | choice]}  # type: ignore[index]
    body = ChatTap().repair_body(json.dumps(wire).encode())
    found = ChatCompletion.model_validate_json(body).choices[0]
    assert (found.message.content, found.finish_reason) == ("hi", "stop")


@pytest.mark.parametrize("arguments", [{"p": 1}, '{"p":1}'])
@pytest.mark.parametrize("many", [False, True])
def test_calls_in_a_whole_chat_completion_can_be_read(arguments: Any, many: bool) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}
    choice = {"message": {"tool_calls": [call] if many else call}, "finish_reason": None}
    body = ChatTap().repair_body(json.dumps(CHAT | {"choices": [choice]}).encode())
    found = ChatCompletion.model_validate_json(body).choices[0]
    assert found.finish_reason == "tool_calls"
    (called,) = found.message.tool_calls or ()
    assert called.type == "function"
    assert called.id
    assert json.loads(called.function.arguments) == {"p": 1}


def test_thinking_parts_of_chat_completion_become_reasoning_content() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "hi"},
    ]
    wire = CHAT | {"choices": [{"message": {"content": parts}}]}
    message = json.loads(ChatTap().repair_body(json.dumps(wire).encode()))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "hi", "reasoning_content": "hm"}


@pytest.mark.parametrize(
    "wire",
    [
        CHAT,
        {},
        {"choices": []},
        {"choices": [{"text": "hi"}]},
        {"choices": [], "error": {"code": 1}},
    ],
)
def test_valid_chat_completion_and_other_bodies_are_unchanged(wire: Any) -> None:
    body = json.dumps(wire).encode()
    assert ChatTap().repair_body(body) is body
    assert ChatTap().repair_body(b"nonsense") == b"nonsense"
