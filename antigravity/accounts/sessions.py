"""Which conversation a request belongs to: pure.

The client's own word counts first: a header, then what stands in the body.  Where it says
nothing, the first thing that the user said stands for the conversation.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request

#: Headers in which clients name their conversation, the most telling first.
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

#: Names under which a body's metadata do.
SESSION_FIELDS: Final = (
    "session_id",
    "sessionId",
    "thread_id",
    "threadId",
    "conversation_id",
    "conversationId",
    "chat_id",
)

#: Text that clients put before what the user said.
#: Characters of a text that are looked at.
_LONGEST: Final = 1024 * 1024
_REMINDER: Final = re.compile(r"<system-reminder>.*?(?:</system-reminder>|\Z)", re.DOTALL)
_IN_USER_ID: Final = re.compile(r"(?:\A|_)session_([0-9A-Za-z-]{8,})\Z")


def session_from_headers(headers: Mapping[str, str]) -> str | None:
    """Return the conversation that the headers (names in lower case) name, if they do."""
    for name in SESSION_HEADERS:
        value = headers.get(name, "").strip()
        if value:
            return f"named:{value}"
    return None


def session_from_request(request: Request) -> str:
    """Return the conversation that a decoded request belongs to.

    A client that names only its user has that user's conversations told apart by their
    first text: else all of them would be one.
    """
    named = (
        _in_user_id(request.metadata.get("user_id"))
        or _in_user_id(request.user)
        or _in_fields(request.extensions.get("client_metadata"))
        or _in_fields(request.metadata)
        or _in_fields(request.extensions)
        or (request.prompt_cache_key or "").strip()
    )
    if named:
        return f"named:{named}"
    return f"text:{_digest((request.user or '').strip(), _first_text(request.messages))}"


def session_key(principal: str, identity: str) -> str:
    """Return an opaque key for one conversation of one API key: never another's."""
    return _digest("session", principal, identity)[:32]


def _in_user_id(value: object) -> str:
    """Return the session within an Anthropic user id: JSON text, or ``…_session_ID``."""
    if not isinstance(value, str):
        return ""
    if value.startswith("{"):
        try:
            return _in_fields(msgspec.json.decode(value))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return ""
    match = _IN_USER_ID.search(value)
    return match[1] if match else ""


def _in_fields(fields: object) -> str:
    if not isinstance(fields, Mapping):
        return ""
    values = (fields.get(name) for name in SESSION_FIELDS)
    return next((v.strip() for v in values if isinstance(v, str) and v.strip()), "")


def _first_text(messages: Iterable[Message]) -> str:
    """Return what the user said first; if that was no text, what it was."""
    other = ""
    for message in messages:
        if message.role != "user":
            continue
        texts = (_REMINDER.sub("", part.text[:_LONGEST]) for part in _texts(message.parts))
        said = "\n".join(stripped for text in texts if (stripped := text.strip()))
        if said:
            return said
        other = other or _digest(*(repr(part) for part in message.parts))
    return other


def _texts(parts: Iterable[Any]) -> Iterable[Text]:
    return (part for part in parts if isinstance(part, Text))


def _digest(*parts: str) -> str:
    """Return a hash that differs wherever one of the parts does."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()
