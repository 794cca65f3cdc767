"""Errors for failures of connections, TLS and HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseNeverReceived
from twisted.web.error import SchemeNotSupported

from antigravity.ir.errors import (
    TLS_FAILED,
    GatewayError,
    UnavailableError,
    UnusableResponseError,
    UpstreamError,
)
from antigravity.transport.http1.response_parser import MalformedResponseError

#: Failures nest (request in retry in proxy), but never deeper than this.
_MAX_DEPTH: Final = 8


def failure_of(exception: BaseException) -> Failure:
    """Return ``exception`` as a Twisted ``Failure``."""
    return Failure(exception)


def cause_of(failure: Failure) -> BaseException:
    """Return the exception in ``failure``."""
    assert failure.value is not None
    return failure.value


def causes(exception: BaseException, depth: int = _MAX_DEPTH) -> Iterator[BaseException]:
    """Yield ``exception`` and all exceptions that it wraps, as an Agent does in ``reasons``."""
    yield exception
    reasons = getattr(exception, "reasons", None)
    if isinstance(reasons, list) and depth:
        for reason in reasons:
            inner = reason.value if isinstance(reason, Failure) else reason
            if isinstance(inner, BaseException):
                yield from causes(inner, depth - 1)


def was_cancelled(exception: BaseException) -> bool:
    """Return whether ``exception`` was caused by a cancellation."""
    return any(
        isinstance(cause, CancelledError | error.ConnectingCancelledError)
        for cause in causes(exception)
    )


def was_closed(exception: BaseException) -> bool:
    """Return whether the only cause is that the other side closed the connection."""
    known = list(causes(exception))
    closed = (error.ConnectionClosed, ResponseNeverReceived, RequestTransmissionFailed)
    return any(isinstance(cause, error.ConnectionClosed) for cause in known) and all(
        isinstance(cause, closed) for cause in known
    )


def _tls_reason(cause: SSL.Error) -> str:
    """Return the message of OpenSSL, without its file and function names."""
    details = cause.args[0] if cause.args else ()
    if isinstance(details, list | tuple):
        messages = [str(detail[-1]) for detail in details if detail]
        return "; ".join(message for message in messages if message) or "the handshake failed"
    return "the handshake failed"


def _tls_hint(cause: SSL.Error) -> str:
    """Return the likely cause of an error of OpenSSL, if its message does not name it."""
    reason = _tls_reason(cause)
    if "certificate verify failed" in reason:
        return (
            " (its certificate has expired, is self-signed, or is of an authority that this "
            "machine does not trust)"
        )
    plain = ("wrong version number", "packet length too long", "record layer failure")
    if any(message in reason for message in plain):
        return " (it does not speak TLS: is it an http address?)"
    return ""


def _describe(exception: BaseException, where: str) -> str | None:
    """Return one sentence about ``exception``, or ``None`` for an unknown type."""
    match exception:
        case error.ConnectionRefusedError():
            return f"cannot connect to {where}: no server listens there"
        case error.DNSLookupError() | error.UnknownHostError():
            return f"cannot connect to {where}: the name cannot be resolved"
        case error.TimeoutError():
            return f"cannot connect to {where}: the network timed out"
        case VerificationError():
            return f"the TLS certificate of {where} belongs to another name"
        case SSL.Error():
            return f"TLS with {where} failed: {_tls_reason(exception)}{_tls_hint(exception)}"
        case error.NoRouteError():
            return f"cannot connect to {where}: there is no route"
        case error.ConnectError():
            return f"cannot connect to {where}"
        case SchemeNotSupported():
            return f"the address of {where} is neither http nor https"
    return None


def error_before_response(exception: BaseException, where: str) -> GatewayError:
    """Return the error for a request that failed before the response headers were received."""
    known = list(causes(exception))
    for cause in known:
        if isinstance(cause, GatewayError):
            return cause
        if isinstance(cause, MalformedResponseError):
            return UpstreamError(f"{where} sent a response that is not HTTP/1.1: {cause}")
    for cause in known:
        text = _describe(cause, where)
        if text is not None:
            if isinstance(cause, SchemeNotSupported):
                return UnavailableError(text)
            if isinstance(cause, VerificationError | SSL.Error):
                return UnusableResponseError(text, code=TLS_FAILED)
            return UpstreamError(text)
    if any(isinstance(cause, error.ConnectionClosed) for cause in known):
        return UpstreamError(f"{where} closed the connection before it responded")
    if isinstance(exception, ResponseNeverReceived):
        return UpstreamError(f"{where} did not respond")
    return UpstreamError(f"{where} sent a response that is not HTTP")


def error_in_body(exception: BaseException, where: str) -> GatewayError:
    """Return the error for a body that was cut off."""
    for cause in causes(exception):
        if isinstance(cause, GatewayError):
            return cause
        if isinstance(cause, SSL.Error):
            return UpstreamError(f"{where} broke off its response: {_tls_reason(cause)}")
        if isinstance(cause, MalformedResponseError):
            return UpstreamError(f"{where} sent a malformed response: {cause}")
    return UpstreamError(f"{where} broke off its response")
