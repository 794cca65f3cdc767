"""Reads the errors of events, whatever their form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

#: The statuses of errors that a stream reports, by code; others are faults of the server.
_STATUSES: Final[Mapping[str, int]] = {
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "previous_response_not_found": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "websocket_connection_limit_reached": 400,
    "websocket_stream_limit_reached": 400,
}
#: The error of an event that has none.
NO_DETAIL: Final = "The request failed without details."
#: Members that are about the event, not about the error.
_OF_EVENT: Final = ("type", "status", "status_code", "stream_id", "sequence_number", "headers")
#: The most headers that go with an error, and the characters of one.
_MOST_HEADERS: Final = 64
_LONGEST_HEADER: Final = 1024
_NAME: Final = re.compile(r"[a-z0-9_-]{1,100}")


class ErrorMessage(Struct, frozen=True):
    """An error: its members, at least a message; its status; and the headers that go with it."""

    error: dict[str, Any]
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    sequence_number: int | None = None


def read_error(event: bytes) -> ErrorMessage:
    """Return the error of an event: in an object, or flat as in streams of server-sent events."""
    try:
        members = msgspec.json.decode(event, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        members = {}
    inner = members.get("error")
    if isinstance(inner, dict):
        error = {"message": NO_DETAIL, **inner}
    elif isinstance(inner, str):
        error = {"message": inner or NO_DETAIL}
    else:
        error = {name: value for name, value in members.items() if name not in _OF_EVENT}
        if not isinstance(error.get("message"), str):
            error["message"] = NO_DETAIL
    number = members.get("sequence_number")
    headers = _headers(members.get("headers")) or _headers(error.get("headers"))
    return ErrorMessage(
        error, _status(members, error), headers, number if type(number) is int else None
    )


def _status(members: Mapping[str, Any], error: Mapping[str, Any]) -> int:
    for status in (members.get("status"), members.get("status_code")):
        if type(status) is int and 400 <= status < 600:
            return status
    names = (error.get("code"), error.get("type"))
    known = (_STATUSES.get(name) for name in names if isinstance(name, str))
    return next((each for each in known if each), 500)


def _headers(found: Any) -> tuple[tuple[str, str], ...]:
    """Return the headers that can be sent; values may be numbers."""
    if not isinstance(found, dict):
        return ()
    pairs = ((name.lower(), str(value)) for name, value in found.items() if _is_plain(value))
    return tuple(
        (name, value)
        for name, value in pairs
        if _NAME.fullmatch(name) and value.isascii() and value.isprintable()
        if len(value) <= _LONGEST_HEADER
    )[:_MOST_HEADERS]


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
