"""Credentials in the errors that stand in events and bodies which are passed on.

Only the parts that describe an error are searched; a model's content is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from antigravity.redaction.credentials import CREDENTIALS, Credentials

_NAMES_OF_ERRORS: Final = frozenset({"error", "errors"})
#: Members whose value tells of an error, and those that can hold such members.
_TELLS: Final = frozenset(
    {
        "error",
        "errors",
        "error_message",
        "last_error",
        "finishMessage",
        "promptFeedback",
        "status_details",
        "incomplete_details",
        "stop_details",
    }
)
_LEADS: Final = frozenset({"response", "choices", "candidates"})
#: The members of a body that is only an error.
_ERROR_ONLY: Final = frozenset({"error", "errors", "detail", "jsonrpc", "id", "request_id"})
#: Larger bodies are not errors.
_LARGEST: Final = 8 * 1024 * 1024

#: A member that tells of an error and is not null, or an object that calls itself an error.
_HINT: Final = re.compile(
    rb'"(?:%b)"\s*:\s*(?!null)[^\s]|:\s*"errors?"|"isError"\s*:\s*true'
    % "|".join(sorted(_TELLS)).encode()
)

#: A tool's answer that says of itself that it is an error, in a message of MCP.
_FAILED_TOOL: Final = re.compile(rb'"isError"\s*:\s*true')

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def redact_errors(data: bytes, name: str = "", credentials: Credentials = CREDENTIALS) -> bytes:
    """Return an event's data, or a body, without credentials in what it says of errors.

    All other bytes stay as they are.  ``name`` is the event's.  The same object comes back
    if there is nothing to take out.
    """
    if name not in _NAMES_OF_ERRORS and not may_tell_of_errors(data):
        return data
    if len(data) > _LARGEST:
        return data
    redacted = credentials.redact_bytes(data)
    if redacted is data or name in _NAMES_OF_ERRORS:
        return redacted
    if not _has_content(data) or _is_error(data):
        return redacted
    return _redact_members(data, credentials)


def may_tell_of_errors(data: bytes) -> bool:
    """Return whether an event or a body must be looked at; cheap, as it is asked of all.

    It must where a member may be there that tells of an error (text may hold the same), and
    where there is none that holds content.
    """
    # One of these is there wherever an upstream says something of an error in its own words.
    hinted = b"rror" in data or b"Message" in data or b"_details" in data
    return (hinted and _HINT.search(data) is not None) or not _has_content(data)


def _has_content(data: bytes) -> bool:
    """Return whether there are members that hold content, or lead to it."""
    return (
        b'"choices"' in data
        or b'"delta"' in data
        or b'"candidates"' in data
        or b'"content' in data
        or b'"response"' in data
        or b'"text"' in data
        or b'"item"' in data
        or b'"part"' in data
        or b'"output' in data
        or b'"result' in data
        or b'"params"' in data
        or b'"data"' in data
        or b'"b64_json"' in data
        or b'"predictions"' in data
        or b'"embedding' in data
    )


def _is_error(data: bytes) -> bool:
    """Return whether an object says of itself that it is an error, and nothing else."""
    try:
        members = _OBJECT.decode(data)
    except (ValueError, RecursionError):
        return False
    if any(_text(members, key) in _NAMES_OF_ERRORS for key in ("type", "object")):
        return True
    if "jsonrpc" in members and "result" in members:
        return _FAILED_TOOL.search(data) is not None
    return bool(members) and members.keys() <= _ERROR_ONLY


def _text(members: Mapping[str, msgspec.Raw], key: str) -> str:
    raw = members.get(key)
    return "" if raw is None else bytes(raw).strip(b'"').decode("latin-1")


def _redact_members(data: bytes, credentials: Credentials) -> bytes:
    """Return the JSON without credentials in those members that tell of an error."""
    try:
        if data.lstrip()[:1] == b"[":
            items = [_redacted(item, credentials) for item in _ARRAY.decode(data)]
            return msgspec.json.encode(items)
        members = _OBJECT.decode(data)
    except (ValueError, RecursionError):
        return data
    for key, value in members.items():
        if key in _TELLS:
            members[key] = msgspec.Raw(credentials.redact_bytes(bytes(value)))
        elif key in _LEADS:
            members[key] = _redacted(value, credentials)
    return msgspec.json.encode(members)


def _redacted(value: msgspec.Raw, credentials: Credentials) -> msgspec.Raw:
    return msgspec.Raw(_redact_members(bytes(value), credentials))
