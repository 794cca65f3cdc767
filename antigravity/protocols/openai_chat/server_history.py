"""Finds the tool calls of a history that lack the reasoning before them."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct


class _Call(Struct):
    id: Any = None


class _Message(Struct):
    role: Any = None
    tool_calls: list[_Call] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None


class _Body(Struct):
    messages: list[_Message]


_BODY: Final = msgspec.json.Decoder(_Body)


def calls_without_reasoning(body: bytes) -> tuple[str, ...]:
    """Return the ids of calls whose message has no reasoning, no ids if the body is not valid."""
    if b'"tool_calls"' not in body:
        return ()
    try:
        messages = _BODY.decode(body).messages
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(
        call.id
        for message in messages
        if message.role == "assistant"
        and not (message.reasoning_content or message.reasoning or message.reasoning_details)
        for call in message.tool_calls or ()
        if isinstance(call.id, str)
    )
