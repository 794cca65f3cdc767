"""Tool calls of a history that came without the thinking that led to them."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct


class _Block(Struct):
    type: Any = None
    id: Any = None
    thinking: Any = None


class _Said(Struct):
    role: Any = None
    content: Raw = Raw(b"null")


class _Body(Struct):
    messages: list[_Said]


_BODY: Final = msgspec.json.Decoder(_Body)
_BLOCKS: Final = msgspec.json.Decoder(list[_Block])


def calls_without_reasoning(body: bytes) -> tuple[str, ...]:
    """Return the ids of calls whose message holds no thinking; none if the body is no request."""
    if b'"tool_use"' not in body:
        return ()
    try:
        found: list[str] = []
        for said in _BODY.decode(body).messages:
            if said.role != "assistant" or b'"tool_use"' not in bytes(said.content):
                continue
            blocks = _BLOCKS.decode(said.content)
            if not any(block.type == "thinking" and block.thinking for block in blocks):
                found += (b.id for b in blocks if b.type == "tool_use" and isinstance(b.id, str))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(found)
