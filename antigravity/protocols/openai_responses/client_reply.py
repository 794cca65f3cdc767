"""Decodes responses of an upstream that are not streamed: errors, usage, counts and models."""

from __future__ import annotations

import re
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
from antigravity.protocols import lenient
from antigravity.protocols.limit import BILLING_CODE, Limit, read_limit
from antigravity.protocols.openai_models import read_limits, read_reported
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
_BY_CODE: Final[dict[str, type[GatewayError]]] = {
    "context_length_exceeded": ContextLengthError,
    "context_window_exceeded": ContextLengthError,
    "string_above_max_length": ContextLengthError,
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


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error in a response with a status of 400 or more."""
    value = _decoded(body)
    return make_error(status, _error_fields(value), read_limit(status, headers, value))


def make_error(status: int | None, fields: JsonObject, limit: Limit | None = None) -> GatewayError:
    """Return the error for an upstream's error object and status, if there is one."""
    message, code = _text(fields, "message"), _text(fields, "code")
    if limit is None:
        limit = read_limit(status, {}, fields)
    kind = _kind(status, code, _text(fields, "type"), message, limit)
    if issubclass(kind, UpstreamCredentialError):
        #  The upstream's message can quote the key, and the client cannot fix it.
        message = credential_refused()
    elif not message:
        message = f"The upstream failed with status {status}." if status else "The upstream failed."
    if issubclass(kind, QuotaExhaustedError) and limit.kind == "billing":
        code = BILLING_CODE
    elif code == BILLING_CODE:
        code = "rate_limit_exceeded"  # some servers send the billing code for any limit
    return kind(
        message,
        param=_text(fields, "param") or None,
        code=code or None,
        retry_after=limit.retry_after,
        upstream_status=status,
    )


def _kind(
    status: int | None, code: str, error_type: str, message: str, limit: Limit
) -> type[GatewayError]:
    if limit.kind and status in (None, 402, 403, 429):
        return QuotaExhaustedError
    if limit.kind == "billing" and status == 400:
        return QuotaExhaustedError
    if status in (401, 403):
        return UpstreamCredentialError
    named = _BY_CODE.get(code) or _BY_CODE.get(error_type)
    if named in (None, InvalidRequestError) and _TOO_LONG.search(message):
        return ContextLengthError
    vague = named in (InvalidRequestError, UpstreamError)  # the status is more precise
    if named is not None and not (vague and status in _BY_STATUS):
        return named
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is not None and 400 <= status < 500:
        return InvalidRequestError
    return named or UpstreamError


def _text(fields: JsonObject, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _decoded(body: bytes) -> Any:
    """Return the value of a JSON body, ``None`` if it is not valid JSON."""
    try:
        return msgspec.json.decode(body)
    except MALFORMED:
        return None


def _error_fields(value: Any) -> JsonObject:
    """Return the error object in a body, in any format that compatible servers use."""
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
    """Return the usage in a whole response."""
    try:
        return decode_usage(lenient.decode(body, _WithUsage).usage)
    except MALFORMED:
        return None


def decode_count(body: bytes) -> int:
    """Return the count in a response of ``/responses/input_tokens``.

    :raises UpstreamError: if the body has no count.
    """
    try:
        count: _Count = lenient.decode(body, _Count)
        return count.input_tokens
    except MALFORMED as error:
        raise UpstreamError("The upstream sent no token count.") from error


class _Count(msgspec.Struct, frozen=True):
    input_tokens: int


class _Models(msgspec.Struct, frozen=True):
    data: list[JsonObject]


def decode_models(body: bytes) -> tuple[Model, ...]:
    """Return the models in a list.

    :raises UpstreamError: if the body is not a list of models.
    """
    try:
        entries = lenient.decode(body, _Models).data
    except MALFORMED as error:
        raise UpstreamError("The upstream sent no list of models.") from error
    return tuple(_model(entry) for entry in entries if isinstance(entry.get("id"), str))


def _model(entry: JsonObject) -> Model:
    window, output = read_limits(entry)
    return Model(
        id=entry["id"],
        display_name=_text(entry, "display_name") or _text(entry, "name"),
        owned_by=_text(entry, "owned_by"),
        created=_count(entry, "created"),
        input_token_limit=window,
        output_token_limit=output,
        reported=read_reported(entry),
    )
