"""Instructions of a request: its system prompt, and system turns in mid-conversation."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from antigravity.ir.parts import Part, Text
from antigravity.ir.request import Message, Request

#: The beginning of Claude Code's attribution block.
_MARK: Final = "x-anthropic-billing-header:"


def without_attribution(request: Request) -> Request:
    """Return the request without the attribution block, if its system prompt begins with one.

    Claude Code puts its version and a fingerprint into the first block of the system prompt.
    Anthropic's API removes it there, as long as it comes unchanged, first and in a block of its
    own.  For every other model it would be part of the prompt, and break the cache of it as it
    changes.  A block with more than this one line has instructions, and stays.

    Source: https://code.claude.com/docs/en/llm-gateway-protocol
    """
    if not request.system:
        return request
    text = request.system[0].text.strip()
    if not text.startswith(_MARK) or "\n" in text:
        return request
    return replace(request, system=request.system[1:])


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
    instructions = Message("user", tuple(request.system))
    return replace(request, system=(), messages=(instructions, *request.messages))


def _fold(message: Message) -> Message:
    if message.role != "system":
        return message
    return Message("user", tuple(_marked(part) for part in message.parts))


def _marked(part: Part) -> Part:
    if not isinstance(part, Text) or part.text.lstrip().startswith("<system"):
        return part
    return replace(part, text=f"<system-message>\n{part.text}\n</system-message>")
