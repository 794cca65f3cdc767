"""Errors in the shape of the Interactions API, whose codes are words."""

from __future__ import annotations

from typing import Final

from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.protocols import replies
from antigravity.protocols.gemini_interactions.schema import JsonObject

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
    """Return the reply for an error."""
    found = error_object(error)
    if error.param is not None:
        found["param"] = error.param
    return replies.error_reply(error, {"error": found})
