"""Recognition of sessions: the conversation that a request belongs to.  Pure.

A name that the client sends comes first: in a header, then in the body.  Without one, the first
text of the user identifies the conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from antigravity.ir.conversation_key import (
    digest,
    key_of_session,
    key_of_text,
    session_id,
    user_text,
)
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request

#: Headers in which clients name their conversation, the most specific first.
SESSION_HEADERS: Final = (
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "thread-id",
    "thread_id",
    "x-session-id",
    "x-session-affinity",
    "x-client-session",
    "x-client-session-id",
    "x-opencode-session",
    "x-amp-thread-id",
    "conversation-id",
    "conversation_id",
    "x-conversation-id",
)


def session_from_headers(headers: Mapping[str, str]) -> str | None:
    """Return the conversation named in the headers (lower case), ``None`` without a name."""
    for name in SESSION_HEADERS:
        value = headers.get(name, "").strip()
        if value:
            return key_of_session(value)
    return None


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


def session_key(principal: str, identity: str) -> str:
    """Return an opaque key for one conversation of one API key."""
    return digest("session", principal, identity)[:32]


def _first_text(messages: Iterable[Message]) -> str:
    """Return what the user wrote first; if that was no text, a hash of it."""
    other = ""
    for message in messages:
        if message.role != "user":
            continue
        text = user_text(part.text for part in message.parts if isinstance(part, Text))
        if text:
            return text
        other = other or digest(*(repr(part) for part in message.parts))
    return other
