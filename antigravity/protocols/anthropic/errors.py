"""Errors in Anthropic's format: encoded for clients, decoded from upstreams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.errors import (
    ConflictError,
    ContextLengthError,
    DeadlineError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    RequestTooLargeError,
    UpstreamCredentialError,
    UpstreamError,
    credential_refused,
)
from antigravity.ir.json_reader import decode
from antigravity.ir.too_long import in_anthropic_form
from antigravity.protocols.anthropic.request_reader import dotted
from antigravity.protocols.limit import BILLING_CODE, Limit, read_limit

#: Anthropic's status for a server without capacity.
OVERLOADED: Final = 529
_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": OVERLOADED,
}
_TOO_LONG: Final = re.compile(
    r"prompt is too long|context (?:window|length|limit)|exceeds? the maximum.*tokens",
    re.IGNORECASE,
)
#: Google writes "(e.g. check quota)" about any limit, also through compatible services.
_NO_QUOTA: Final = re.compile(r"(?<!check )quota|monthly|weekly", re.IGNORECASE)
_SIGNATURES: Final = re.compile(r"thought[_ ]?signature|thinking.*signature", re.IGNORECASE)
#: Tokens by which Claude Code recognises errors of gateways that it recovers from, see
#: https://code.claude.com/docs/en/llm-gateway-protocol
_PROMPT_TOO_LONG: Final = "prompt_too_long"
_SIGNATURE: Final = "thinking_signature"
#: Codes that are in the details of an error: clients recover from it by themselves.
_DETAILED: Final = frozenset({"thread_not_found"})
_FIELD: Final = re.compile(r"^([a-z_]+(?:\.[a-zA-Z0-9_]+)*): ")


class ErrorField(Struct, frozen=True):
    """``error``."""

    type: str | None = None
    message: str | None = None


class ErrorBody(Struct, frozen=True):
    """The body of an error, and the data of an ``error`` event."""

    error: ErrorField | str | None = None


def error_object(error: GatewayError, request_id: str) -> dict[str, Any]:
    """Return the members of an error's body, except ``type``."""
    message = error.message
    if isinstance(error, ContextLengthError):
        message = _recoverable(in_anthropic_form(message), message, _PROMPT_TOO_LONG)
    elif _is_about_signatures(error):
        message = _recoverable(message, "", _SIGNATURE)
    elif error.param and not message.startswith(dotted(error.param)):
        message = f"{dotted(error.param)}: {message}"
    default = "api_error" if error.status >= 500 else "invalid_request_error"
    fields: dict[str, Any] = {"type": _TYPES.get(error.status, default), "message": message}
    if error.code in _DETAILED:
        fields["details"] = {"error_code": error.code}
    return {"error": fields, "request_id": request_id or None}


def _is_about_signatures(error: GatewayError) -> bool:
    """Return whether an upstream of another kind refused the signatures of earlier thinking."""
    if not isinstance(error, InvalidRequestError) or error.upstream_status != 400:
        return False
    return _SIGNATURES.search(error.message) is not None and "`thinking`" not in error.message


def _recoverable(message: str, original: str, token: str) -> str:
    """Return a message with the token for clients that recover, if it is not Anthropic's own."""
    return message if message == original else f"{message} (capability_rejected: {token})"


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error in an upstream's response with a status of 400 or more."""
    return _classify(read_error(body), read_limit(status, headers, _decoded(body)), status)


def read_error(body: bytes) -> ErrorField:
    """Return the ``error`` of a body, an empty one if the body is not in Anthropic's format."""
    try:
        found = decode(body, ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ErrorField()
    return ErrorField(message=found) if isinstance(found, str) else found or ErrorField()


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def _classify(field: ErrorField, limit: Limit, status: int | None) -> GatewayError:
    """Return the error for an upstream's error field; ``status`` is ``None`` in mid-stream."""
    message = field.message or f"The upstream responded with status {status or 'unknown'}."
    meant = _STATUSES.get(field.type or "", status or 500)
    if meant == 500:
        meant = status or (429 if limit.kind else 500)
    code = BILLING_CODE if limit.kind == "billing" else None
    if meant in (403, 429) and limit.kind:
        kind: type[GatewayError] = QuotaExhaustedError
    elif meant in (401, 402, 403) or (meant == 400 and code):
        kind, message = UpstreamCredentialError, credential_refused()
    else:
        kind, code = _kind(meant, message), None
    return kind(
        message,
        param=_param(message, meant),
        code=code,
        retry_after=limit.retry_after,
        upstream_status=status,
    )


def _kind(status: int, message: str) -> type[GatewayError]:
    match status:
        case 404:
            return NotFoundError
        case 408 | 504:
            return DeadlineError
        case 409:
            return ConflictError
        case 413:
            return ContextLengthError if _TOO_LONG.search(message) else RequestTooLargeError
        case 429:
            return QuotaExhaustedError if _NO_QUOTA.search(message) else RateLimitedError
        case 503 | 529:
            return OverloadedError
        case _ if 400 <= status < 500:
            return ContextLengthError if _TOO_LONG.search(message) else InvalidRequestError
        case _:
            return UpstreamError


def _param(message: str, status: int) -> str | None:
    """Return the path of the field that a message begins with."""
    found = _FIELD.match(message) if status == 400 else None
    if found is None:
        return None
    return "$" + "".join(
        f"[{name}]" if name.isdecimal() else f".{name}" for name in found[1].split(".")
    )
