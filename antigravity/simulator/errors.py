"""Errors and connection faults, and the error body of each provider; pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

Headers = tuple[tuple[str, str], ...]

_ANTHROPIC: Final = {
    400: "invalid_request_error",
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
_OPENAI: Final = {429: "rate_limit_error", 403: "permission_error"}
_GOOGLE: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MESSAGES: Final = {
    401: "The simulator refuses this credential.",
    403: "The simulator forbids this.",
    404: "Not found.",
    429: "Resource has been exhausted (e.g. check quota).",
    500: "Internal error encountered.",
    503: "The model is overloaded. Please try again later.",
    529: "Overloaded",
}


@dataclass
class ApiError(Exception):
    """An error response; a renderer turns it into a provider's error body."""

    status: int
    message: str = ""
    param: str | None = None
    code: str | None = None
    retry: float | None = None
    reason: str = ""
    body: Any = None
    violations: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Set the default message."""
        if not self.message:
            self.message = _MESSAGES.get(self.status, f"Simulated failure {self.status}.")
        super().__init__(self.message)


def context_length_error(
    shape: Callable[[ApiError], HttpResponse], tokens: int, window: int
) -> ApiError:
    """Return the error for a prompt that exceeds the context window."""
    if shape is anthropic_error:
        return ApiError(400, f"prompt is too long: {tokens} tokens > {window} maximum")
    if shape in (google_error, interactions_error):
        return ApiError(
            400,
            f"The input token count ({tokens}) exceeds the maximum number of tokens allowed "
            f"({window}).",
        )
    return ApiError(
        400,
        f"This model's maximum context length is {window} tokens. However, your messages "
        f"resulted in {tokens} tokens. Please reduce the length of the messages.",
        param="messages",
        code="context_length_exceeded",
    )


def refuse(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    """Refuse an invalid request.

    :raises ApiError: always.
    """
    raise ApiError(400, message, param=param, code=code)


@dataclass(frozen=True)
class ConnectionFault:
    """A fault of the connection after N chunks; ``kind`` is cut, stall, garbage or empty."""

    kind: str
    after: int = 0


@dataclass(frozen=True)
class HttpResponse:
    """A status, headers and a JSON body."""

    status: int
    headers: Headers
    body: Any


def seconds(value: float) -> str:
    """Return seconds without trailing zeros."""
    return str(int(value)) if value == int(value) else f"{value:.9f}".rstrip("0")


def anthropic_error(error: ApiError, request_id: str = "req_sim") -> HttpResponse:
    """Return an error in Anthropic's format."""
    kind = _ANTHROPIC.get(error.status, "api_error" if error.status >= 500 else _ANTHROPIC[400])
    headers: Headers = (("request-id", request_id),)
    if error.retry is not None:
        headers += (("retry-after", seconds(error.retry)),)
    body = (
        error.body
        if error.body is not None
        else {
            "type": "error",
            "error": {"type": kind, "message": error.message},
            "request_id": request_id,
        }
    )
    return HttpResponse(error.status, headers, body)


def openai_error(error: ApiError) -> HttpResponse:
    """Return an error in OpenAI's format."""
    kind = _OPENAI.get(error.status)
    if kind is None:
        kind = "server_error" if error.status >= 500 else "invalid_request_error"
    code = error.code
    if error.status == 429:
        kind = "insufficient_quota" if error.reason == "QUOTA_EXHAUSTED" else "requests"
        code = code or ("insufficient_quota" if kind != "requests" else "rate_limit_exceeded")
    headers: Headers = ()
    if error.retry is not None:
        headers = (
            ("retry-after", seconds(error.retry)),
            ("retry-after-ms", str(math.ceil(error.retry * 1000))),
            ("x-ratelimit-reset-requests", f"{seconds(error.retry)}s"),
        )
    body = (
        error.body
        if error.body is not None
        else {"error": {"message": error.message, "type": kind, "param": error.param, "code": code}}
    )
    return HttpResponse(error.status, headers, body)


def interactions_error(error: ApiError) -> HttpResponse:
    """Return an error in the format of the Interactions API, whose codes are words."""
    code = {400: "invalid_request", 401: "unauthenticated"}.get(error.status)
    code = code or _GOOGLE.get(error.status, "INVALID_REQUEST").lower()
    message = error.message
    if error.retry is not None:
        message += f" Please retry in {seconds(error.retry)}s."
    body = {"error": {"message": message, "code": code}}
    return HttpResponse(error.status, (), error.body if error.body is not None else body)


def google_error(error: ApiError) -> HttpResponse:
    """Return an error in the format of Google's services, with details."""
    details: list[dict[str, Any]] = []
    if error.reason or error.retry is not None:
        info: dict[str, Any] = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.reason or "RATE_LIMIT_EXCEEDED",
            "domain": "googleapis.com",
        }
        if error.retry is not None:
            info["metadata"] = {"quotaResetDelay": f"{seconds(error.retry)}s"}
        details.append(info)
    if error.retry is not None:
        retry = f"{seconds(error.retry)}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry})
    if error.violations:
        found = [
            {"field": f, "description": d} if f else {"description": d} for f, d in error.violations
        ]
        details.append(
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": found}
        )
    status = _GOOGLE.get(error.status, "UNKNOWN")
    body: dict[str, Any] = {"code": error.status, "message": error.message, "status": status}
    if details:
        body["details"] = details
    return HttpResponse(error.status, (), error.body if error.body is not None else {"error": body})
