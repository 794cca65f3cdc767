"""The key of a conversation, from a decoded request: the reference for conversation hints."""

from __future__ import annotations

from collections.abc import Iterable

from antigravity.ir.conversation_key import (
    digest,
    key_of_session,
    key_of_text,
    session_id,
    user_text,
)
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request


def session_from_request(request: Request) -> str:
    """Return the conversation that a decoded request belongs to."""
    named = session_id(
        (request.metadata.get("user_id"), request.user),
        (request.extensions.get("client_metadata"), request.metadata, request.extensions),
        request.prompt_cache_key,
    )
    if named is not None:
        return key_of_session(named)
    return key_of_text(request.user or "", _first_text(request.messages))


def _first_text(messages: Iterable[Message]) -> str:
    """Return the first text of the user; without one, a hash of the first other content."""
    other = ""
    for message in messages:
        if message.role != "user":
            continue
        text = user_text(part.text for part in message.parts if isinstance(part, Text))
        if text:
            return text
        other = other or digest(*(repr(part) for part in message.parts))
    return other
