"""Decodes an upstream's errors.

Secrets in Google's messages are never shown to a client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

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
from antigravity.protocols.limit import BILLING_CODE, LimitKind, read_limit

_SECRET: Final = re.compile(
    r"AIza[\w-]{20,}|AQ\.[\w-]{20,}|ya29\.[\w.-]+|(?<=api_key:)[^\s'\"]+|(?<=key=)[^\s&'\"]+"
)
_CONTEXT: Final = re.compile(
    r"exceeds the maximum number of (input )?tokens|input token count|context (window|length)",
    re.IGNORECASE,
)
_KEY_REASONS: Final = frozenset(
    {"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED"}
)
_STATUSES: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_SLOW: Final = (408, 504)
_FULL: Final = (503, 529)
_LONGEST_MESSAGE: Final = 2000
_ADDRESS: Final = re.compile(r"https?://\S+")
#: A link that is safe to show: printable characters only.
_LINK: Final = re.compile(r"https://[!-~]{1,2000}")


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error in a response with a status of 400 or more."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = None
    if isinstance(value, list):
        value = next((each for each in value if isinstance(each, dict)), None)
    error = value.get("error", value) if isinstance(value, dict) else None
    return error_of_status(error, status, headers)


def error_of_status(
    error: Any, http_status: int | None = None, headers: Mapping[str, str] | None = None
) -> GatewayError:
    """Return the error that a ``google.rpc.Status`` describes, in a stream or a response."""
    fields = error if isinstance(error, dict) else {}
    found = fields.get("details")
    details = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    name = fields.get("status")
    code = fields.get("code")
    status = _STATUSES.get(name) if isinstance(name, str) else None
    if status is None:
        status = code if isinstance(code, int) and 400 <= code < 600 else http_status or 500
    if http_status is not None and (status != 400 or 400 <= http_status < 429):
        status = http_status  # but a 429 or 500 with an INVALID_ARGUMENT is really a 400
    message = _message(fields.get("message", error), status)
    reasons = [str(reason) for each in details if (reason := each.get("reason"))]
    limit = read_limit(status, headers or {}, {"error": error})
    kind, reason = _classify(status, name, reasons, limit.kind, message)
    if kind is UpstreamCredentialError:
        reason_given = _ADDRESS.sub("…", message)  # it can be specific to the account
        message = credential_refused(reason_given)
    return kind(
        message,
        code=reason,
        retry_after=limit.retry_after,
        upstream_status=http_status if http_status is not None else status,
        help_url=_help_url(details) if kind is UpstreamCredentialError else "",
    )


def _help_url(details: list[dict[str, Any]]) -> str:
    """Return the URL where an account's owner can validate it, empty if there is none."""
    urls: list[Any] = []
    for detail in details:
        metadata, links = detail.get("metadata"), detail.get("links")
        if isinstance(metadata, dict):
            urls += [metadata.get("validation_url"), metadata.get("validationUrl")]
        if isinstance(links, list):
            urls += [link.get("url") for link in links if isinstance(link, dict)]
    good = (url for url in urls if isinstance(url, str) and _LINK.fullmatch(url))
    return next(good, "")


def _message(value: Any, status: int) -> str:
    """Return the message without secrets, never empty."""
    text = value.strip() if isinstance(value, str) else ""
    text = _SECRET.sub("***", text)[:_LONGEST_MESSAGE]
    return text or f"The upstream responded with status {status} and no message."


def _classify(
    status: int, name: Any, reasons: list[str], limit: LimitKind, message: str
) -> tuple[type[GatewayError], str | None]:
    """Return the class of an error and its code."""
    reason = reasons[0].lower() if reasons else None
    if "MODEL_CAPACITY_EXHAUSTED" in reasons:
        return OverloadedError, "model_capacity_exhausted"
    if status in (402, 403, 429) and limit == "billing":
        return QuotaExhaustedError, BILLING_CODE
    if status in (401, 403) or _KEY_REASONS.intersection(reasons):
        return UpstreamCredentialError, reason
    if status == 429:
        if limit == "quota":
            return QuotaExhaustedError, "quota_exhausted"
        return RateLimitedError, reason or "rate_limit_exceeded"
    if name == "FAILED_PRECONDITION":
        return UpstreamCredentialError, reason or "failed_precondition"  # billing, location
    if status == 400 and _CONTEXT.search(message):
        return ContextLengthError, "context_length_exceeded"
    if status == 404:
        return NotFoundError, "model_not_found"
    if status == 409:
        return ConflictError, reason
    if status == 413:
        return RequestTooLargeError, reason
    if status in _SLOW:
        return DeadlineError, reason
    if status in _FULL:
        return OverloadedError, reason
    return (InvalidRequestError if 400 <= status < 499 else UpstreamError), reason
