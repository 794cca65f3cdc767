"""Errors in the shape of the Interactions API, whose codes are words."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.protocols import replies
from antigravity.protocols.gemini_interactions.schema import JsonObject

#: The longest delay in seconds that a header names; the SDK sleeps for so long.
_LONGEST_SLEEP: Final = 60.0
_CODES: Final = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    409: "aborted",
    413: "invalid_request",
    429: "resource_exhausted",
    499: "cancelled",
    501: "unimplemented",
    503: "unavailable",
    504: "deadline_exceeded",
}


def error_object(error: GatewayError) -> JsonObject:
    """Return the ``error`` object."""
    default = "invalid_request" if error.status < 500 else "internal"
    return {"message": error.message, "code": _CODES.get(error.status, default)}


def error_reply(error: GatewayError, request_id: str) -> HttpReply:
    """Return the reply for an error.

    A longer delay than a minute is in the message only: the SDK sleeps as long as ``Retry-After``
    says, up to hours, before it reports the error.
    """
    found = error_object(error)
    if error.param is not None:
        found["param"] = error.param
    reply = replies.error_reply(error, {"error": found})
    if error.retry_after is None or error.retry_after <= _LONGEST_SLEEP:
        return reply
    headers = tuple(pair for pair in reply.headers if pair[0].lower() != "retry-after")
    return replace(reply, headers=headers)
