"""What an upstream says besides its events: errors, usage, counts and models."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from antigravity.ir.capabilities import Model
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
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_responses.schema import MALFORMED, JsonObject

_BY_STATUS: Final[dict[int, type[GatewayError]]] = {
    401: UpstreamCredentialError,
    402: QuotaExhaustedError,
    403: UpstreamCredentialError,
    404: NotFoundError,
    408: DeadlineError,
    409: ConflictError,
    413: RequestTooLargeError,
    429: RateLimitedError,
    503: OverloadedError,
    504: DeadlineError,
    529: OverloadedError,
}
_BY_WORD: Final[dict[str, type[GatewayError]]] = {
    "context_length_exceeded": ContextLengthError,
    "context_window_exceeded": ContextLengthError,
    "string_above_max_length": ContextLengthError,
    "insufficient_quota": QuotaExhaustedError,
    "billing_hard_limit_reached": QuotaExhaustedError,
    "billing_not_active": QuotaExhaustedError,
    "usage_limit_reached": QuotaExhaustedError,
    "usage_not_included": QuotaExhaustedError,
    "rate_limit_exceeded": RateLimitedError,
    "rate_limit_error": RateLimitedError,
    "invalid_api_key": UpstreamCredentialError,
    "authentication_error": UpstreamCredentialError,
    "permission_error": UpstreamCredentialError,
    "model_not_found": NotFoundError,
    "not_found_error": NotFoundError,
    "server_is_overloaded": OverloadedError,
    "slow_down": OverloadedError,
    "overloaded_error": OverloadedError,
    "invalid_prompt": InvalidRequestError,
    "invalid_request_error": InvalidRequestError,
    "server_error": UpstreamError,
}
_TOO_LONG: Final = re.compile(
    r"maximum context length|context (length|window).{0,40}(exceed|too)|exceeds?.{0,40}context"
    r"|prompt is too long|prompt token count|maximum prompt length|input is too long"
    r"|reduce the length of",
    re.IGNORECASE,
)
_AGAIN: Final = re.compile(r"try again in\s*([0-9hms.\s]+)", re.IGNORECASE)
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|h|m|s)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error in an answer with a status of 400 or more."""
    fields = _error_fields(body)
    return make_error(status, fields, _retry_after(headers, _word(fields, "message")))


def make_error(
    status: int | None, fields: JsonObject, retry_after: float | None = None
) -> GatewayError:
    """Return the error that an upstream's error object (and status, if any) tells of."""
    message, code = _word(fields, "message"), _word(fields, "code")
    kind = _kind(status, code, _word(fields, "type"), message)
    if issubclass(kind, UpstreamCredentialError):
        #  The upstream's words may quote the key, and the client couldn't mend it.
        message = credential_refused()
    elif not message:
        message = f"The upstream failed with status {status}." if status else "The upstream failed."
    if retry_after is None and issubclass(kind, RateLimitedError):
        retry_after = _told(message)
    return kind(
        message,
        param=_word(fields, "param") or None,
        code=code or None,
        retry_after=retry_after,
        upstream_status=status,
    )


def _kind(status: int | None, code: str, word: str, message: str) -> type[GatewayError]:
    if status in (401, 403):
        return UpstreamCredentialError
    named = _BY_WORD.get(code) or _BY_WORD.get(word)
    if named in (None, InvalidRequestError) and _TOO_LONG.search(message):
        return ContextLengthError
    vague = named in (InvalidRequestError, UpstreamError)  # the status knows better
    if named is not None and not (vague and status in _BY_STATUS):
        return named
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is not None and 400 <= status < 500:
        return InvalidRequestError
    return named or UpstreamError


def _word(fields: JsonObject, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _error_fields(body: bytes) -> JsonObject:
    """Return the error object in a body, in any of the shapes that compatible servers use."""
    try:
        value: Any = msgspec.json.decode(body)
    except MALFORMED:
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return {}
    error = value.get("error", value)
    if isinstance(error, str):
        return {"message": error}
    if not isinstance(error, dict):
        return {}
    if "message" not in error and isinstance(error.get("detail"), str):
        return {**error, "message": error["detail"]}
    return error


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _span(text: str) -> float | None:
    """Return the seconds in a duration such as ``6m0s`` or ``120ms``."""
    found = _SPAN.findall(text)
    if not found:
        return _number(text.strip())
    return sum(float(number) * _SECONDS[unit] for number, unit in found)


def _told(message: str) -> float | None:
    found = _AGAIN.search(message)
    return _span(found[1]) if found else None


def _retry_after(headers: Mapping[str, str], message: str) -> float | None:
    """Return the delay from wherever it is said, the most exact source first."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after")
    if said is not None:
        seconds = _number(said)
        if seconds is None:
            seconds = _until(said, headers.get("date"))
        if seconds is not None:
            return seconds
    told = _told(message)
    return told if told is not None else _reset(headers)


def _until(moment: str, now: str | None) -> float | None:
    """Return the seconds until an HTTP date, by the upstream's clock where it is given."""
    try:
        there = email.utils.parsedate_to_datetime(moment).timestamp()
        here = email.utils.parsedate_to_datetime(now).timestamp() if now else time.time()
    except (TypeError, ValueError):
        return None
    return max(0.0, there - here)


def _reset(headers: Mapping[str, str]) -> float | None:
    """Return when the limit that is used up is reset; of several, the latest."""
    resets: dict[str, float] = {}
    for kind in ("requests", "tokens"):
        span = _span(headers.get(f"x-ratelimit-reset-{kind}", ""))
        if span is not None:
            resets[kind] = span
    used_up = [
        span for kind, span in resets.items() if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
    ]
    return max(used_up or resets.values(), default=None)


def decode_usage(usage: object) -> Usage | None:
    """Return the counts in a ``usage`` object."""
    if not isinstance(usage, dict):
        return None
    before, after = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    before = before if isinstance(before, dict) else {}
    after = after if isinstance(after, dict) else {}
    return Usage(
        input_total=_count(usage, "input_tokens"),
        cached=_count(before, "cached_tokens"),
        cache_write=_count(before, "cache_write_tokens"),
        output=_count(usage, "output_tokens"),
        reasoning=_count(after, "reasoning_tokens"),
    )


def _count(fields: JsonObject, name: str) -> int:
    value = fields.get(name)
    return int(value) if isinstance(value, int | float) and value > 0 else 0


class _WithUsage(msgspec.Struct, frozen=True):
    usage: object = None


def usage_of(body: bytes) -> Usage | None:
    """Return the usage in a whole answer."""
    try:
        return decode_usage(msgspec.json.decode(body, type=_WithUsage).usage)
    except MALFORMED:
        return None


def decode_count(body: bytes) -> int:
    """Return the count in an answer of ``/responses/input_tokens``.

    :raises UpstreamError: if it holds none.
    """
    try:
        return msgspec.json.decode(body, type=_Count).input_tokens
    except MALFORMED as error:
        raise UpstreamError("The upstream's answer holds no token count.") from error


class _Count(msgspec.Struct, frozen=True):
    input_tokens: int


class _Models(msgspec.Struct, frozen=True):
    data: list[JsonObject]


def decode_models(body: bytes) -> tuple[Model, ...]:
    """Return the models in a list.

    :raises UpstreamError: if it is none.
    """
    try:
        entries = msgspec.json.decode(body, type=_Models).data
    except MALFORMED as error:
        raise UpstreamError("The upstream's answer is no list of models.") from error
    return tuple(_model(entry) for entry in entries if isinstance(entry.get("id"), str))


def _model(entry: JsonObject) -> Model:
    limit = next(
        (
            entry[name]
            for name in ("context_window", "context_length", "max_model_len")
            if isinstance(entry.get(name), int)
        ),
        None,
    )
    return Model(
        id=entry["id"],
        display_name=_word(entry, "display_name") or _word(entry, "name"),
        owned_by=_word(entry, "owned_by"),
        created=_count(entry, "created"),
        input_token_limit=limit,
    )
