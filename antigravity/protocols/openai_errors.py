"""Decodes errors of upstreams with OpenAI's protocols.

Bodies are OpenAI's (``{"error": {...}}``), Google's (the same with a numeric code and
details, sometimes in a list), those of other servers (``message`` or ``detail``), or text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.errors import (
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
from antigravity.protocols.limit import BILLING_CODE, Limit, read_limit

_LONGEST: Final = 500
_KEY_WORDS: Final = ("invalid_api_key", "api_key_invalid", "authentication_error")
_LENGTH_WORDS: Final = ("context_length_exceeded", "model_max_prompt_tokens_exceeded")
_LENGTH_PHRASES: Final = (
    "maximum context length",
    "context length",
    "context window",
    "prompt is too long",
    "input token count",
    "too many tokens",
    "prompt token count",
    "maximum prompt length",
    "input is too long",
    "reduce the length of",
)


class _ParsedError(Struct, frozen=True):
    """The error in a body.  ``names`` are its codes, types and reasons in lower case."""

    message: str = ""
    param: str | None = None
    code: str | None = None
    names: frozenset[str] = frozenset()
    number: int | None = None
    details: tuple[dict[str, Any], ...] = ()


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error in a response with a status of 400 or more."""
    value = _decoded(body)
    return _error(status, _read(value), read_limit(status, headers, value))


def _error(status: int, parsed: _ParsedError, limit: Limit) -> GatewayError:
    kind = _kind(status, parsed, limit)
    message = parsed.message or f"The upstream responded with status {status} and no message."
    code = parsed.code
    if issubclass(kind, UpstreamCredentialError):
        # The upstream's message may contain a part of the credential.
        message, code = credential_refused(), None
    elif issubclass(kind, QuotaExhaustedError) and limit.kind == "billing":
        code = BILLING_CODE
    elif code == BILLING_CODE:
        code = "rate_limit_exceeded"  # some upstreams use it for any limit
    elif issubclass(kind, NotFoundError):
        code = code or "model_not_found"
    elif issubclass(kind, ContextLengthError):
        code = "context_length_exceeded"
    return kind(
        message,
        param=parsed.param if issubclass(kind, InvalidRequestError) else None,
        code=code,
        retry_after=limit.retry_after,
        upstream_status=status,
    )


def _kind(status: int, parsed: _ParsedError, limit: Limit) -> type[GatewayError]:
    if status in (400, 403) and limit.kind == "billing":
        return QuotaExhaustedError
    if status == 403 and limit.kind:
        return QuotaExhaustedError
    if status in (401, 403) or (status == 400 and not parsed.names.isdisjoint(_KEY_WORDS)):
        return UpstreamCredentialError
    if status == 402:
        return QuotaExhaustedError
    if status == 429:
        return QuotaExhaustedError if limit.kind else RateLimitedError
    if status in (400, 413, 422) and _too_long(parsed):
        return ContextLengthError
    if status in _KINDS:
        return _KINDS[status]
    if status >= 500:
        return UpstreamError
    return InvalidRequestError


_KINDS: Final[dict[int, type[GatewayError]]] = {
    404: NotFoundError,
    405: UpstreamError,
    408: DeadlineError,
    413: RequestTooLargeError,
    503: OverloadedError,
    504: DeadlineError,
    529: OverloadedError,
}


def _too_long(parsed: _ParsedError) -> bool:
    if not parsed.names.isdisjoint(_LENGTH_WORDS):
        return True
    text = parsed.message.lower()
    return any(phrase in text for phrase in _LENGTH_PHRASES)


def _decoded(body: bytes) -> Any:
    """Return the JSON value of a body, or its text if it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return _plain(body)


def _read(wire: Any) -> _ParsedError:
    if isinstance(wire, list) and wire:
        wire = wire[0]
    inner = wire.get("error", wire) if isinstance(wire, dict) else wire
    if not isinstance(inner, dict):
        return _ParsedError(_short(inner) if isinstance(inner, str) else "")
    return _parsed_error(inner)


def _parsed_error(inner: dict[str, Any]) -> _ParsedError:
    details = inner.get("details")
    found = (
        [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []
    )
    names = [inner.get(name) for name in ("code", "type", "status")]
    names += [detail.get("reason") for detail in found]
    code, param = inner.get("code"), inner.get("param")
    number = code
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 10:
        number, code = int(code), None
    return _ParsedError(
        _short(_message(inner)),
        param if isinstance(param, str) else None,
        code if isinstance(code, str) else None,
        frozenset(name.lower() for name in names if isinstance(name, str)),
        number if isinstance(number, int) else None,
        tuple(found),
    )


def _message(inner: dict[str, Any]) -> str:
    for name in ("message", "detail", "error"):
        value = inner.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list | dict) and value:  # FastAPI's list of invalid fields
            return msgspec.json.encode(value).decode()
    return ""


def _plain(body: bytes) -> str:
    text = body[: 4 * _LONGEST].decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else _short(text)  # HTML is of no use in a message


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
