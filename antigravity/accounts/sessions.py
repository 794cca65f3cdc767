"""Recognition of sessions by the headers of a request.  Pure.

Without such a header, the ``conversation_hint`` of the protocol reads the conversation's key from
the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.ir.conversation_key import digest, key_of_session

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


def session_key(principal: str, identity: str) -> str:
    """Return an opaque key for one conversation of one API key."""
    return digest("session", principal, identity)[:32]
