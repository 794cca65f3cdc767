"""The errors of the gateway; each protocol encodes them in its own format.

An error is about the *client's* request or about the *upstream*.  If an upstream refuses one of
the gateway's credentials, that is an :class:`UpstreamCredentialError`.  Clients get it as a 503,
because their own key is valid, and some clients log out their user after a 401.
"""

from __future__ import annotations

import math
from typing import ClassVar, Final

from antigravity.ir.delays import LONGEST_DELAY
from antigravity.ir.printable import strip_controls
from antigravity.redaction.credentials import CREDENTIALS

#: The code of an :class:`UnusableResponseError` for an upstream whose TLS handshake fails.
TLS_FAILED: Final = "tls_failed"
#: Where the operator finds the refused credential.
_WHICH: Final = "; on the gateway's machine 'antigravity explain MODEL' shows which."


def credential_refused(reason: str = "") -> str:
    """Return the message for clients about a refused credential.

    The upstream's message may contain the credential, so pass only a safe ``reason``.
    """
    why = f" ({reason})" if reason else ""
    return f"The upstream refused the gateway's credential{why}{_WHICH}"


class GatewayError(Exception):
    """An error for a client.

    Its texts contain no credentials in use (:mod:`antigravity.redaction`), which upstreams may
    quote.

    :ivar message: one sentence for the client: what is wrong and what to do; no secrets.
    :ivar param: the path of the invalid field, such as ``$.messages[2].content[0].type``.
    :ivar code: a short machine-readable code, such as ``model_not_found``.
    :ivar retry_after: seconds until a retry is useful, if that is known; never negative, at most
        :data:`LONGEST_DELAY`.
    :ivar status: the HTTP status for the client.
    :ivar upstream_status: the HTTP status of the upstream's response, if there was one.
    :ivar help_url: the upstream's page where the owner of the account can fix the problem; for
        the operator only.
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
        message = redact(strip_controls(message))  # it may quote upstreams and clients
        super().__init__(message)
        self.message = message
        self.param = param and redact(param)
        self.code = code and redact(code)
        self.retry_after = retry_after
        self.upstream_status = upstream_status
        self.help_url = redact(help_url)

    @property
    def operator_message(self) -> str:
        """The same for the operator, who knows the accounts."""
        return self.message

    @property
    def needs_operator(self) -> bool:
        """Whether only the operator can solve the problem, so that no client should try again."""
        return False

    @property
    def retry_after(self) -> float | None:
        """Seconds until a retry is useful, if that is known."""
        return self._retry_after

    @retry_after.setter
    def retry_after(self, seconds: float | None) -> None:
        if seconds is not None and math.isnan(seconds):
            seconds = None
        self._retry_after = None if seconds is None else min(max(0.0, seconds), LONGEST_DELAY)

    def limit_delay(self, most: float) -> None:
        """Reduce :attr:`retry_after` to at most ``most`` seconds, if it is known."""
        if self._retry_after is not None:
            self.retry_after = min(self._retry_after, most)


class InvalidRequestError(GatewayError):
    """The request is not valid."""

    status = 400


class UnreadablePartError(InvalidRequestError):
    """A part of the request cannot be read by the model that would serve it.

    :ivar value: what identifies the part in the client's request: the id of a file, a URL or the
        data; it is not sent to the client.
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
    """The client does not have the permission."""

    status = 403


class NotFoundError(GatewayError):
    """There is no such path, model or object."""

    status = 404


class MethodNotAllowedError(GatewayError):
    """The path does not support the method."""

    status = 405


class ConflictError(GatewayError):
    """The state of the object does not allow this."""

    status = 409


class RequestTooLargeError(GatewayError):
    """The body is larger than the limit."""

    status = 413


class UpgradeRequiredError(GatewayError):
    """The path is not served over this transport (RFC 9110, section 15.5.22)."""

    status = 426


class RateLimitedError(GatewayError):
    """A limit of the gateway or of the upstream was reached."""

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
    """The response ended with a reason that its model family is known to give by mistake.

    It is retried once; after that the response is delivered unchanged.

    :ivar native: the reason as the upstream names it.
    """

    def __init__(self, message: str, *, native: str, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.native = native


class UnusableResponseError(UpstreamError):
    """The upstream sent a web page, or failed in another way that a retry would repeat."""


class UpstreamCredentialError(UpstreamError):
    """The upstream refused the gateway's credential; the client's key is valid."""

    status = 503

    @property
    def needs_operator(self) -> bool:
        """Return true: somebody has to replace the credential."""
        return True

    @property
    def operator_message(self) -> str:
        """The message without the hint for clients, with the upstream's status."""
        text = self.message.partition(_WHICH)[0].rstrip(".")
        status = f" with status {self.upstream_status}" if self.upstream_status else ""
        return f"{text}{status}."


class OverloadedError(UpstreamError):
    """The upstream, or the gateway, has no capacity now."""

    status = 503


class UnavailableError(UpstreamError):
    """No configured upstream can serve the request."""

    status = 503
    retryable = False


class DeadlineError(UpstreamError):
    """The upstream did not respond in time."""

    status = 504


class CancelledByClientError(GatewayError):
    """The request was cancelled before the response was complete.

    If the client did that by disconnecting, only records contain this.
    """

    status = 499


class CancelledByOperatorError(CancelledByClientError):
    """The operator of the gateway has cancelled the request; clients should not send it again."""


def incomplete_response_error() -> UpstreamError:
    """Return the error for a response that ended before it was complete."""
    return UpstreamError("The upstream broke off before its response was complete; try again.")


def empty_response_error() -> EmptyResponseError:
    """Return the error for a response that ended before it had any content."""
    return EmptyResponseError("The upstream sent a response without content; try again.")
