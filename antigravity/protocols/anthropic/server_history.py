"""Finds the tool calls of a history that lack the thinking before them."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct


class _Block(Struct):
    type: Any = None
    id: Any = None
    thinking: Any = None


class _Message(Struct):
    role: Any = None
    content: Raw = Raw(b"null")


class _Body(Struct):
    messages: list[_Message]


_BODY: Final = msgspec.json.Decoder(_Body)
_BLOCKS: Final = msgspec.json.Decoder(list[_Block])


def calls_without_reasoning(body: bytes) -> tuple[str, ...]:
    """Return the ids of calls whose message has no thinking, or no ids if the body is not valid."""
    if b'"tool_use"' not in body:
        return ()
    try:
        found: list[str] = []
        for message in _BODY.decode(body).messages:
            if message.role != "assistant" or b'"tool_use"' not in bytes(message.content):
                continue
            blocks = _BLOCKS.decode(message.content)
            if not any(block.type == "thinking" and block.thinking for block in blocks):
                found += (b.id for b in blocks if b.type == "tool_use" and isinstance(b.id, str))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(found)
