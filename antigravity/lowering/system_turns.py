"""System turns in mid-conversation, for targets that take them only at the beginning."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity.ir.parts import Part, Text
from antigravity.ir.request import Message, Request


def fold_system_turns(request: Request) -> Request:
    """Return the request with later system turns as marked user turns.

    They keep their position, so that the prompt cache of earlier turns stays valid.
    """
    if all(message.role != "system" for message in request.messages):
        return request
    return replace(request, messages=tuple(_fold(message) for message in request.messages))


def move_instructions(request: Request) -> Request:
    """Return the request with its instructions as the first user message."""
    if not request.system:
        return request
    said = Message("user", tuple(request.system))
    return replace(request, system=(), messages=(said, *request.messages))


def _fold(message: Message) -> Message:
    if message.role != "system":
        return message
    return Message("user", tuple(_marked(part) for part in message.parts))


def _marked(part: Part) -> Part:
    if not isinstance(part, Text) or part.text.lstrip().startswith("<system"):
        return part
    return replace(part, text=f"<system-message>\n{part.text}\n</system-message>")
