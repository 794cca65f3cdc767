"""One tree of errors; each protocol renders them in its own shape.

An error is about the *client's* request or about the *upstream*.  Trouble with one of the
gateway's own credentials is an :class:`UpstreamCredentialError`, which clients see as
503: their own key is fine, and some log their user out on a 401.
"""

from __future__ import annotations

import math
from typing import ClassVar, Final

from antigravity.ir.delays import LONGEST_DELAY
from antigravity.ir.printable import strip_controls
from antigravity.redaction.credentials import CREDENTIALS

#: The code of an :class:`UnusableResponseError` for an upstream whose TLS handshake fails.
TLS_FAILED: Final = "tls_failed"


def credential_refused(reason: str = "") -> str:
    """Return what clients are told of a refused credential.

    The upstream's own words may repeat it, so that only a ``reason`` without it may be added.
    """
    why = f" ({reason})" if reason else ""
    return (
        f"The upstream refused the gateway's credential{why}; on the gateway's machine "
        "'antigravity explain MODEL' shows which."
    )


class GatewayError(Exception):
    """Something that a client must be told.

    What it says is free of the credentials in use (:mod:`antigravity.redaction`): upstreams
    repeat them.

    :ivar message: one sentence for the client: what is wrong and what to do; no secrets.
    :ivar param: the path of the field at fault, such as ``$.messages[2].content[0].type``.
    :ivar code: a short machine-readable word, such as ``model_not_found``.
    :ivar retry_after: seconds until a retry makes sense, where that is known; never negative, at
        most :data:`LONGEST_DELAY`.
    :ivar status: the HTTP status for the client.
    :ivar upstream_status: the HTTP status that an upstream gave, where one did.
    :ivar help_url: where the account's owner can mend it, where the upstream says so; for the
        operator only.
    """

    status: int = 500
    #: Whether another attempt (same or other credential) may succeed.
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        upstream_status: int | None = None,
        help_url: str = "",
    ) -> None:
        redact = CREDENTIALS.redact
        message = redact(strip_controls(message))  # upstreams and clients have a say in it
        super().__init__(message)
        self.message = message
        self.param = param and redact(param)
        self.code = code and redact(code)
        self.retry_after = retry_after
        self.upstream_status = upstream_status
        self.help_url = redact(help_url)

    @property
    def retry_after(self) -> float | None:
        """Seconds until a retry makes sense, where that is known."""
        return self._retry_after

    @retry_after.setter
    def retry_after(self, seconds: float | None) -> None:
        if seconds is not None and math.isnan(seconds):
            seconds = None
        self._retry_after = None if seconds is None else min(max(0.0, seconds), LONGEST_DELAY)

    def limit_delay(self, most: float) -> None:
        """Have :attr:`retry_after` be ``most`` seconds at the most, if it is known."""
        if self._retry_after is not None:
            self.retry_after = min(self._retry_after, most)


class InvalidRequestError(GatewayError):
    """The request cannot be served as it is written."""

    status = 400


class UnreadablePartError(InvalidRequestError):
    """A part of the request cannot be read by the model that would serve it.

    :ivar value: what identifies the part in the client's own request: a file's id, an address
        or the data themselves; the client is not told of it.
    """

    def __init__(self, message: str, *, value: str, param: str, code: str) -> None:
        super().__init__(message, param=param, code=code)
        self.value = value


class ContextLengthError(InvalidRequestError):
    """The prompt does not fit into the model's context window."""


class AuthenticationError(GatewayError):
    """The client's own key is missing or wrong."""

    status = 401


class PermissionDeniedError(GatewayError):
    """The client may not do this."""

    status = 403


class NotFoundError(GatewayError):
    """No such path, model or object."""

    status = 404


class MethodNotAllowedError(GatewayError):
    """The path exists, the method does not."""

    status = 405


class ConflictError(GatewayError):
    """The object is in a state that forbids this."""

    status = 409


class RequestTooLargeError(GatewayError):
    """The body is larger than the limit."""

    status = 413


class UpgradeRequiredError(GatewayError):
    """The path is not served over this transport (RFC 9110, section 15.5.22)."""

    status = 426


class RateLimitedError(GatewayError):
    """A limit was reached, here or upstream."""

    status = 429
    retryable = True


class QuotaExhaustedError(RateLimitedError):
    """A quota is used up until its reset."""


class UpstreamError(GatewayError):
    """The upstream failed, or sent a malformed response."""

    status = 502
    retryable = True


class EmptyResponseError(UpstreamError):
    """The upstream sent a response without content."""


class FaultyEndError(EmptyResponseError):
    """The answer ended with a reason that its model's family is known to give by mistake.

    :ivar native: the upstream's word for the reason.  A retry is worth while once; after that
        the answer is delivered as it is.
    """

    def __init__(self, message: str, *, native: str, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.native = native


class UnusableResponseError(UpstreamError):
    """The upstream sent something unusable (a web page, no TLS) and would repeat it."""


class UpstreamCredentialError(UpstreamError):
    """The upstream refused the gateway's credential; the client is not to blame."""

    status = 503


class OverloadedError(UpstreamError):
    """The upstream, or the gateway, has no capacity now."""

    status = 503


class UnavailableError(UpstreamError):
    """Nothing is configured or reachable that could serve the request."""

    status = 503
    retryable = False


class DeadlineError(UpstreamError):
    """The upstream did not answer in time."""

    status = 504


class CancelledByClientError(GatewayError):
    """The client went away before the answer was complete; nobody is left to be told."""

    status = 499


def incomplete_response_error() -> UpstreamError:
    """Return the error for a response that ended before it was complete."""
    return UpstreamError("The upstream broke off before its response was complete; try again.")


def empty_response_error() -> EmptyResponseError:
    """Return the error for a response that ended before it had any content."""
    return EmptyResponseError("The upstream sent a response without content; try again.")
