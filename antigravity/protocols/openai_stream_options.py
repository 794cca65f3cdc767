"""The usage of streams of OpenAI's completions, which clients get only if they ask for it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.interfaces.server_traits import RequestedUsage
from antigravity.ir.call import Call
from antigravity.protocols.json_body import members_of, replace_member

FIELD: Final = "stream_options"
_ASKING: Final = b'{"stream_options":{"include_usage":true},'


def _options(raw: bytes) -> dict[str, Any] | None:
    """Return the members of ``stream_options``, ``None`` if it is not an object."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any] | None) or {}
    except (ValueError, RecursionError):
        return None


def _can_request(call: Call) -> bool:
    """Return whether a call does not ask for usage, and can be made to."""
    raw = members_of(call).get(FIELD)
    if raw is None:
        return True
    options = _options(bytes(raw))
    return options is not None and not options.get("include_usage")


def _request(call: Call, body: bytes) -> bytes:
    """Return a call's ``body`` that also asks for usage, and keeps other stream options.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    raw = members_of(call).get(FIELD)
    if raw is None:
        return b"".join((_ASKING, memoryview(body)[body.index(b"{") + 1 :]))
    options = {**(_options(bytes(raw)) or {}), "include_usage": True}
    return replace_member(body, FIELD, msgspec.json.encode(options))


REQUESTED_USAGE: Final = RequestedUsage(FIELD, _can_request, _request)
