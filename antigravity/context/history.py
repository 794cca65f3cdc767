"""The structure of a history: its head, its rounds, and where it can be cut.  Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from antigravity.ir.parts import Part, ToolCall, ToolResult
from antigravity.ir.request import Message

_ENCODER = msgspec.msgpack.Encoder()


def head_length(messages: Sequence[Message]) -> int:
    """Return the number of messages before the first response, which state the user's task."""
    for index, message in enumerate(messages):
        if message.role == "assistant":
            return index
    return len(messages)


def last_user(messages: Sequence[Message]) -> int:
    """Return the index of the user's last turn; the number of messages if there is none.

    Adjacent messages of the user are one turn.
    """
    index = len(messages) - 1
    while index >= 0 and messages[index].role != "user":
        index -= 1
    if index < 0:
        return len(messages)
    while index > 0 and messages[index - 1].role != "assistant":
        index -= 1
    return index


def clean_cuts(messages: Sequence[Message]) -> list[int]:
    """Return the indexes where a history can be cut without separating a call from its result.

    These are the beginnings of responses, since earlier calls have their results by then, and the
    messages of the user after a response without calls.  The user's last turn, and the calls whose
    results it has, are always after the last cut.
    """
    end = last_user(messages)
    cuts: list[int] = []
    called = False
    for index in range(1, end + 1):
        if index == len(messages):
            break
        message, before = messages[index], messages[index - 1]
        called = called or _has(before, ToolCall)
        if message.role == "assistant":
            if before.role != "assistant":
                cuts.append(index)
                called = False
        elif before.role == "assistant" and not called and _is_users(message):
            cuts.append(index)
    return cuts


def rounds(messages: Sequence[Message]) -> list[int]:
    """Return the index of each tool round, which begins with a response that has calls."""
    found: list[int] = []
    start = 0
    for index, message in enumerate(messages):
        if message.role != "assistant":
            continue
        if index == 0 or messages[index - 1].role != "assistant":
            start = index
        if _has(message, ToolCall) and (not found or found[-1] != start):
            found.append(start)
    return found


def digest(messages: Iterable[Message]) -> str:
    """Return a hash of messages, without cache breakpoints, since these move between turns."""
    whole = hashlib.blake2b(digest_size=16)
    for message in messages:
        plain = replace(message, parts=tuple(_plain(part) for part in message.parts))
        data = _ENCODER.encode(plain)
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def _plain(part: Part) -> Part:
    if getattr(part, "cache", None) is not None:
        part = replace(part, cache=None)
    if isinstance(part, ToolResult) and any(inner.cache is not None for inner in part.parts):
        part = replace(part, parts=tuple(replace(inner, cache=None) for inner in part.parts))
    return part


def _is_users(message: Message) -> bool:
    """Return whether a message is written by the user, rather than by tools."""
    return message.role == "user" and not _has(message, ToolResult)


def _has(message: Message, kind: type[ToolCall] | type[ToolResult]) -> bool:
    return any(isinstance(part, kind) for part in message.parts)
