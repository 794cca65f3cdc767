"""Keys of conversations: from ids that clients put into a body, or from the user's first text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

#: Names under which bodies and their metadata hold the id of a session.
SESSION_FIELDS: Final = (
    "session_id",
    "sessionId",
    "thread_id",
    "threadId",
    "conversation_id",
    "conversationId",
    "chat_id",
)

#: The number of characters of a text that are read.
_TEXT_LIMIT: Final = 1024 * 1024
#: Text that clients put before what the user wrote.
_REMINDER: Final = re.compile(r"<system-reminder>.*?(?:</system-reminder>|\Z)", re.DOTALL)
_IN_USER_ID: Final = re.compile(r"(?:\A|_)session_([0-9A-Za-z-]{8,})\Z")


def key_of_session(session: str) -> str:
    """Return the key of a conversation whose client gave it an id."""
    return f"named:{session}"


def key_of_text(user: str, text: str) -> str:
    """Return the key of a conversation by its user and the user's first text.

    Clients that name only their user get a key for each first text of that user.
    """
    return f"text:{digest(user.strip(), text)}"


def session_id(
    user_ids: Iterable[object], fields: Iterable[object], cache_key: object
) -> str | None:
    """Return the session id in a body, if there is one.

    :param user_ids: ids of users, which can contain that of a session.
    :param fields: objects that can have one of :data:`SESSION_FIELDS`, the most specific first.
    :param cache_key: the ``prompt_cache_key``, used if there is no id.
    """
    for user_id in user_ids:
        found = _in_user_id(user_id)
        if found:
            return found
    for each in fields:
        found = _in_fields(each)
        if found:
            return found
    return (cache_key.strip() or None) if isinstance(cache_key, str) else None


def user_text(texts: Iterable[str]) -> str:
    """Return what the user wrote in the texts of one message, without reminders of the client."""
    plain = (_REMINDER.sub("", text[:_TEXT_LIMIT]).strip() for text in texts)
    return "\n".join(text for text in plain if text)


def digest(*parts: str | bytes) -> str:
    """Return a hash that differs wherever one of the parts does."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


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
