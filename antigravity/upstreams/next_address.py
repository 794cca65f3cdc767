"""Decides whether the next address of an upstream is tried after a failure.  Pure."""

from __future__ import annotations

from antigravity.ir.errors import (
    TLS_FAILED,
    CancelledByClientError,
    DeadlineError,
    EmptyResponseError,
    GatewayError,
    UnavailableError,
    UpstreamError,
)


def should_try_next_address(error: GatewayError) -> bool:
    """Return whether the address, rather than the account or the request, caused ``error``.

    That is so for failed connections, 404, 408 and 5xx.  Limits and refusals (429, 401, 403)
    belong to the account, all other errors to the request.  Only a timeout of the connection
    counts, since the client has already waited too long for a later one.
    """
    status = error.upstream_status
    if status is not None:
        return status in (404, 408) or status >= 500
    if isinstance(error, DeadlineError):
        return error.code == "connect_timeout"
    if isinstance(error, CancelledByClientError | UnavailableError | EmptyResponseError):
        return False
    return type(error) is UpstreamError or error.code == TLS_FAILED
