"""Instructions to the model that replace missing settings of a protocol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from antigravity.ir.parts import Part, Text, ToolResult
from antigravity.ir.request import Message, Request, ResponseFormat
from antigravity.ir.tools import ToolChoice

#: The user turn of a request with only instructions, if the upstream requires one.
OPENING: Final = "Continue."

_JSON: Final = "Answer with one JSON object and nothing else: no prose, no code fence."


def json_instruction(response_format: ResponseFormat) -> str:
    """Return the instruction to answer with JSON, with the schema if there is one."""
    if response_format.schema is None:
        return _JSON
    text = msgspec.json.encode(response_format.schema).decode()
    return f"{_JSON} It must be valid against this JSON Schema: {text}"


def tool_instruction(choice: ToolChoice) -> str:
    """Return the instruction to answer with a tool call."""
    if not choice.names:
        return "Answer with a call of one of the tools."
    return f"Answer with a call of the tool {' or '.join(choice.names)}."


def mentions_json(request: Request, *, instructions: bool) -> bool:
    """Return whether the messages, or with ``instructions`` the system, contain the word JSON."""
    if instructions and any("json" in text.text.lower() for text in request.system):
        return True
    return any(_mentions_json(message.parts) for message in request.messages)


def _mentions_json(parts: Iterable[Part]) -> bool:
    for part in parts:
        if isinstance(part, Text) and "json" in part.text.lower():
            return True
        if isinstance(part, ToolResult) and _mentions_json(part.parts):
            return True
    return False


def needs_opening(messages: Iterable[Message]) -> bool:
    """Return whether all messages are system messages."""
    return all(message.role == "system" for message in messages)
