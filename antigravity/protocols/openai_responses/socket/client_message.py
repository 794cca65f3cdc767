"""Reads the messages of clients."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.json_text import clean_json
from antigravity.protocols.json_body import bad_field, load_members

#: The most characters of a lane's name.
_LONGEST_NAME: Final = 256
#: Members that only WebSocket has, or that only HTTP has.
_DROPPED: Final = ("type", "stream_id", "generate", "stream", "stream_options", "background")


class _CacheOptions(Struct):
    prewarm: Any = None


class Create(Struct, frozen=True):
    """A request for a response: the body of the POST, with ``stream``.

    ``lane`` is its ``stream_id``, ``None`` if it has none.  ``generates`` is false for a request
    that only prepares what a later one continues.
    """

    body: bytes
    lane: str | None = None
    generates: bool = True
    store: bool = True
    previous_id: str | None = None


class ClientMessage(Struct, frozen=True):
    """A message: its type, its lane, and its members as unchanged JSON text."""

    type: str
    lane: str | None
    members: dict[str, Raw]


def read_message(text: bytes) -> ClientMessage:
    """Return a message.

    :raises InvalidRequestError: if it is not an object with a type, or its lane has no valid name.
    """
    members = load_members(clean_json(text))
    kind = _text_of(members, "type")
    if not kind:
        raise bad_field("type", "is required")
    lane = _text_of(members, "stream_id")
    if lane is not None and not 0 < len(lane) <= _LONGEST_NAME:
        raise bad_field("stream_id", f"must have 1 to {_LONGEST_NAME} characters")
    return ClientMessage(kind, lane, members)


def read_create(message: ClientMessage) -> Create:
    """Return the request of a ``response.create``.

    :raises InvalidRequestError: naming the field at fault.
    """
    members = message.members
    if _switch(members, "background"):
        raise bad_field("background", "is not supported over WebSocket")
    generates = _switch(members, "generate") is not False and not _is_prewarm(members)
    store = _switch(members, "store") is not False
    previous_id = _text_of(members, "previous_response_id")
    body = {name: value for name, value in members.items() if name not in _DROPPED}
    body["stream"] = Raw(b"true")
    return Create(msgspec.json.encode(body), message.lane, generates, store, previous_id or None)


def _is_prewarm(members: dict[str, Raw]) -> bool:
    """Return whether the options of the cache ask for no output."""
    if "prompt_cache_options" not in members:
        return False
    try:
        options = msgspec.json.decode(members["prompt_cache_options"], type=_CacheOptions)
    except msgspec.DecodeError:
        return False  # whoever serves the request judges it
    return options.prewarm is True


def _value(members: dict[str, Raw], name: str) -> Any:
    raw = members.get(name)
    return None if raw is None else msgspec.json.decode(raw)


def _text_of(members: dict[str, Raw], name: str) -> str | None:
    value = _value(members, name)
    if value is None or isinstance(value, str):
        return value
    raise bad_field(name, "must be a string")


def _switch(members: dict[str, Raw], name: str) -> bool | None:
    value = _value(members, name)
    if value is None or isinstance(value, bool):
        return value
    raise bad_field(name, "must be true or false")


def steer_target(message: ClientMessage) -> tuple[Raw, str]:
    """Return the input of a ``response.steer``, and the id of the response that it is for.

    :raises InvalidRequestError: naming the field at fault.
    """
    previous_id = _text_of(message.members, "previous_response_id")
    if not previous_id:
        raise bad_field("previous_response_id", "is required")
    given = message.members.get("input")
    if given is None or bytes(given) == b"null":
        raise bad_field("input", "is required")
    return given, previous_id


def unknown_type(kind: str) -> InvalidRequestError:
    """Return the error for a message of an unknown type."""
    allowed = ("response.create", "response.steer", "response.processed")
    return bad_field("type", f"{kind[:64]!r} is not supported", allowed)
