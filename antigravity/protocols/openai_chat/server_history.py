"""Tool calls of a history that came without the reasoning that led to them."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct


class _Call(Struct):
    id: Any = None


class _Said(Struct):
    role: Any = None
    tool_calls: list[_Call] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None


class _Body(Struct):
    messages: list[_Said]


_BODY: Final = msgspec.json.Decoder(_Body)


def calls_without_reasoning(body: bytes) -> tuple[str, ...]:
    """Return the ids of calls whose message holds no reasoning; none if the body is no request."""
    if b'"tool_calls"' not in body:
        return ()
    try:
        messages = _BODY.decode(body).messages
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(
        call.id
        for said in messages
        if said.role == "assistant"
        and not (said.reasoning_content or said.reasoning or said.reasoning_details)
        for call in said.tool_calls or ()
        if isinstance(call.id, str)
    )
