"""Errors in Google's shape (``google.rpc.Status``)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.protocols import replies
from antigravity.protocols.gemini.request_reader import dotted

_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    426: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPES: Final = "type.googleapis.com/google.rpc."


def status_name(status: int) -> str:
    """Return Google's name for an HTTP status."""
    return _STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")


def error_object(error: GatewayError) -> dict[str, Any]:
    """Return the ``error`` object."""
    result: dict[str, Any] = {
        "code": error.status,
        "message": error.message,
        "status": status_name(error.status),
    }
    details = list(_details(error))
    if details:
        result["details"] = details
    return result


def _details(error: GatewayError) -> list[dict[str, Any]]:
    """Return the ``details``: the field, the error code and the delay before a retry."""
    details: list[dict[str, Any]] = []
    if error.param is not None:
        violation = {"field": dotted(error.param), "description": error.message}
        details.append({"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]})
    if error.code is not None:
        reason = {"reason": error.code.upper(), "domain": "antigravity"}
        details.append({"@type": f"{_TYPES}ErrorInfo", **reason})
    if error.retry_after is not None:
        delay = f"{max(0.0, error.retry_after):.3f}".rstrip("0").rstrip(".")
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{delay}s"})
    return details


def failed_chunk(error: GatewayError) -> bytes:
    """Return the error as the last chunk of a stream; it ends the candidate, too.

    Some clients do not support errors inside a stream: they retry at once until they see a
    finish reason that they know (``OTHER`` is not one).  The others look for ``error`` at the
    very beginning.
    """
    ended = {"finishReason": "MALFORMED_FUNCTION_CALL", "index": 0}  # read as an error
    return msgspec.json.encode({"error": error_object(error), "candidates": [ended]})


def error_reply(error: GatewayError, request_id: str) -> HttpReply:
    """Return the reply for an error."""
    body = error_object(error)
    if request_id:
        info = {"@type": f"{_TYPES}RequestInfo", "requestId": request_id}
        body["details"] = [*body.get("details", ()), info]
    return replies.error_reply(error, {"error": body})
