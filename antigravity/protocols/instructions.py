"""Instructions to the model that replace missing settings of a protocol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from antigravity.ir.parts import Part, Text, ToolResult
from antigravity.ir.request import Message, Request, ResponseFormat
from antigravity.ir.tools import ToolChoice
from antigravity.protocols.losses import Losses

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


def with_visible_end(request: Request, losses: Losses) -> Request:
    """Return the request with a text in the user's last turn if that is only white space.

    Upstreams that refuse empty texts would get no turn at all, so that they would take the
    response before it for the beginning of their own.
    """
    messages = list(request.messages)
    while messages and _is_blank(messages[-1]):
        messages.pop()
    if len(messages) == len(request.messages):
        return request
    before = [message for message in messages if message.role != "system"]
    if before and before[-1].role == "user":
        return request
    losses.add("messages", f"the user's last turn, only white space, became: {OPENING}")
    opening = Message("user", (Text(OPENING),))
    return replace(request, messages=(*messages, opening))


def _is_blank(message: Message) -> bool:
    """Return whether a message is the user's and has nothing but white space."""
    return message.role == "user" and all(
        isinstance(part, Text) and not part.text.strip() for part in message.parts
    )
