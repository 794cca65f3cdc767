"""Ids of tool calls in the form that the target accepts.

An id that is too long, or has other characters, gives way to a hash of it.  The same id always
becomes the same, so prompt caches hold, and clients never see it: what upstreams give ids to are
new calls.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Loss, Target, Traits
from antigravity.ir.parts import Part, ToolCall, ToolResult
from antigravity.ir.request import Message, Request

_NINE: Final = re.compile(r"[a-zA-Z0-9]{9}")
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PREFIX: Final = "call_"
_HASH: Final = 32


def fit_call_ids(
    request: Request, traits: Traits, target: Target
) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request with ids that the target accepts; no information is lost."""
    legal = _legal(traits, target)
    if legal is None:
        return request, ()
    ids = {
        identifier: None
        for message in request.messages
        for part in message.parts
        if (identifier := _id_of(part)) is not None
    }
    legal_ids = {identifier for identifier in ids if legal(identifier)}
    if len(legal_ids) == len(ids):
        return request, ()
    fitted: dict[str, str] = {}
    for identifier in ids:
        if identifier not in legal_ids:
            fitted[identifier] = _replacement(
                identifier, legal_ids, nine=target.accepts("call_ids_9")
            )
            legal_ids.add(fitted[identifier])
    messages = tuple(_with_ids(message, fitted) for message in request.messages)
    return replace(request, messages=messages), ()


def _legal(traits: Traits, target: Target) -> Callable[[str], bool] | None:
    """Return a check of ids for the target; ``None`` if it accepts any id."""
    if target.accepts("call_ids_9"):
        return lambda identifier: _NINE.fullmatch(identifier) is not None
    pattern, most = traits.id_pattern, traits.id_max
    if pattern is None and most is None:
        return None
    return lambda identifier: (
        (most is None or len(identifier) <= most)
        and (pattern is None or pattern.fullmatch(identifier) is not None)
    )


def _replacement(identifier: str, legal_ids: set[str], *, nine: bool) -> str:
    """Return a legal id that no other call has."""
    for attempt in range(1000):
        text = identifier if attempt == 0 else f"{identifier}\0{attempt}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        legal_id = _nine_of(digest) if nine else f"{_PREFIX}{digest.hex()[:_HASH]}"
        if legal_id not in legal_ids:
            return legal_id
    raise AssertionError("hashes do not collide a thousand times")


def _nine_of(digest: bytes) -> str:
    return "".join(_DIGITS[byte % len(_DIGITS)] for byte in digest[:9])


def _id_of(part: Part) -> str | None:
    match part:
        case ToolCall():
            return part.id
        case ToolResult():
            return part.call_id
    return None


def _with_ids(message: Message, fitted: dict[str, str]) -> Message:
    if not any(_id_of(part) in fitted for part in message.parts):
        return message
    return replace(message, parts=tuple(_with_id(part, fitted) for part in message.parts))


def _with_id(part: Part, fitted: dict[str, str]) -> Part:
    match part:
        case ToolCall() if part.id in fitted:
            return replace(part, id=fitted[part.id])
        case ToolResult() if part.call_id in fitted:
            return replace(part, call_id=fitted[part.call_id])
    return part
