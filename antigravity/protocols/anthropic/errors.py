"""Errors in Anthropic's shape: written for clients, read from upstreams."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
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
from antigravity.ir.too_long import as_anthropic_says
from antigravity.protocols.anthropic.reading import dotted

_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
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
    "overloaded_error": 529,
}
_TOO_LONG: Final = re.compile(
    r"prompt is too long|context (?:window|length|limit)|exceeds? the maximum.*tokens",
    re.IGNORECASE,
)
_NO_CREDIT: Final = re.compile(r"credit balance is too low", re.IGNORECASE)
#: "(e.g. check quota)" is what Google says of any limit, also by way of compatible services.
_NO_QUOTA: Final = re.compile(r"usage limit|(?<!check )quota|monthly|weekly", re.IGNORECASE)
_FIELD: Final = re.compile(r"^([a-z_]+(?:\.[a-zA-Z0-9_]+)*): ")


class ErrorField(Struct, frozen=True):
    """``error``."""

    type: str = ""
    message: str = ""


class ErrorBody(Struct, frozen=True):
    """The body of an error, and the data of an ``error`` event."""

    error: ErrorField | str


def error_object(error: GatewayError, request_id: str) -> dict[str, Any]:
    """Return the members of an error's body, its ``type`` excepted."""
    message = error.message
    if isinstance(error, ContextLengthError):
        message = as_anthropic_says(message)
    elif error.param and not message.startswith(dotted(error.param)):
        message = f"{dotted(error.param)}: {message}"
    default = "api_error" if error.status >= 500 else "invalid_request_error"
    kind = _TYPES.get(error.status, default)
    return {"error": {"type": kind, "message": message}, "request_id": request_id or None}


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error in an upstream's answer with a status of 400 or more."""
    field = read_error(body)
    error = classify(field, status)
    error.retry_after = retry_after(headers)
    return error


def read_error(body: bytes) -> ErrorField:
    """Return what a body says of an error, nothing if it is not Anthropic's JSON."""
    try:
        found = msgspec.json.decode(body, type=ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ErrorField()
    return ErrorField(message=found) if isinstance(found, str) else found


def classify(field: ErrorField, status: int | None = None) -> GatewayError:
    """Return the error that an upstream means; mid-stream errors have no ``status``."""
    message = field.message or f"The upstream answered with status {status or 'unknown'}."
    means = _STATUSES.get(field.type, status or 500)
    if status is not None and means == 500:
        means = status
    if means in (401, 402, 403) or (means == 400 and _NO_CREDIT.search(message)):
        return UpstreamCredentialError(credential_refused(), upstream_status=status)
    return _kind(means, message)(message, param=_param(message, means), upstream_status=status)


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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until a retry makes sense, where the headers say it.

    ``Retry-After`` comes first; then the reset times of the limits that are used up.
    """
    now = _moment(headers.get("date", ""), 0.0) or time.time()
    if milliseconds := _number(headers.get("retry-after-ms", "")):
        return milliseconds / 1000
    if "retry-after" in headers:
        text = headers["retry-after"]
        seconds = _number(text)
        if seconds is not None:
            return seconds
        moment = _moment(text, now)
        if moment is not None:
            return max(0.0, moment - now)
    resets = [
        moment - now
        for name, text in headers.items()
        if name.startswith("anthropic-ratelimit-")
        and name.endswith("-reset")
        and _used_up(headers, name.removesuffix("-reset"))
        and (moment := _moment(text, now)) is not None
    ]
    return max(0.0, *resets) if resets else None


def _used_up(headers: Mapping[str, str], limit: str) -> bool:
    if f"{limit}-status" in headers:
        return not headers[f"{limit}-status"].startswith("allowed")
    return _number(headers.get(f"{limit}-remaining", "")) == 0


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _moment(text: str, now: float) -> float | None:
    """Return a point in time in seconds since the epoch, from any of the forms in use."""
    number = _number(text)
    if number is not None:
        return number if number > 1e9 else now + number
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return parse(text.strip()).timestamp()
        except (ValueError, OverflowError):
            continue
    return None
