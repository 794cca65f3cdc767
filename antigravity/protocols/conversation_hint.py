"""The key of the conversation that a body belongs to, read from its raw members.

Only the turns up to the user's first text are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.conversation_key import (
    SESSION_FIELDS,
    digest,
    key_of_session,
    key_of_text,
    session_id,
    user_text,
)

_NULL: Final = Raw(b"null")
_MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TEXT_TYPES: Final = (None, "text", "input_text")
#: A member of parts that clients move to the newest turn.
_CACHE_CONTROL: Final = "cache_control"


class _Turn(Struct):
    type: Any = None
    role: Any = None
    content: Raw = _NULL
    parts: Raw = _NULL


class _Part(Struct):
    type: Any = None
    text: Any = None


def conversation_key(
    members: Mapping[str, Raw], turns: Raw | None, *, default_role: str = ""
) -> str | None:
    """Return the key of the conversation of a body; ``None`` if it has no turns.

    :param members: those of the body.
    :param turns: a list of turns, or the text of the only one.
    :param default_role: the role of turns without one.
    """
    metadata = _value(members, "metadata")
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    users = (user_id, _value(members, "user"), _value(members, "safety_identifier"))
    own = {name: _value(members, name) for name in SESSION_FIELDS if name in members}
    cache_key = _value(members, "prompt_cache_key")
    named = session_id(users, (_value(members, "client_metadata"), metadata, own), cache_key)
    if named is not None:
        return key_of_session(named)
    try:
        text = _first_text(turns, default_role)
    except _MALFORMED:
        return None
    user = next((each for each in users if isinstance(each, str) and each), "")
    return None if text is None else key_of_text(user, text)


def _value(members: Mapping[str, Raw], name: str) -> Any:
    """Return the value of a member, ``None`` if there is none."""
    try:
        return msgspec.json.decode(members.get(name, _NULL))
    except _MALFORMED:
        return None


def _first_text(turns: Raw | None, default_role: str) -> str | None:
    """Return the user's first text; if there is none, a hash of the user's first turn."""
    data = b"" if turns is None else bytes(turns)
    if data.startswith(b'"'):
        return user_text((msgspec.json.decode(data, type=str),))
    if data.startswith(b"{"):
        data = b"[%b]" % data
    if not data.startswith(b"["):
        return None
    other = ""
    for each in msgspec.json.decode(data, type=list[Raw]):
        content = _user_content(bytes(each), default_role)
        if content is None:
            continue
        text = user_text(_texts(content))
        if text:
            return text
        other = other or digest(*_stable(content))
    return other


def _user_content(turn: bytes, default_role: str) -> list[Raw] | None:
    """Return the parts of a turn of the user, ``None`` for any other turn."""
    if turn.startswith(b'"'):
        return [Raw(turn)] if default_role == "user" else None
    found = msgspec.json.decode(turn, type=_Turn)
    if (found.role or default_role) != "user" or found.type not in (None, "message"):
        return None
    content = bytes(found.content if found.parts == _NULL else found.parts)
    return msgspec.json.decode(content, type=list[Raw]) if content[:1] == b"[" else [Raw(content)]


def _texts(content: list[Raw]) -> Iterator[str]:
    for each in map(bytes, content):
        if each.startswith(b'"'):
            yield msgspec.json.decode(each, type=str)
        elif each.startswith(b"{"):
            part = msgspec.json.decode(each, type=_Part)
            if part.type in _TEXT_TYPES and isinstance(part.text, str):
                yield part.text


def _stable(content: list[Raw]) -> Iterator[bytes]:
    """Return what of the parts stays the same from turn to turn."""
    for each in map(bytes, content):
        if _CACHE_CONTROL.encode() not in each or not each.startswith(b"{"):
            yield each
            continue
        for name, value in sorted(msgspec.json.decode(each, type=dict[str, Raw]).items()):
            if name != _CACHE_CONTROL:
                yield name.encode() + bytes(value)
