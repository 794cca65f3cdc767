"""Whether an upstream's next address is worth a try after the one before has failed.  Pure."""

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


def worth_trying_next(error: GatewayError) -> bool:
    """Return whether ``error`` is the address's fault rather than the request's.

    No connection, 404, 408 and 5xx are.  Limits and refusals (429, 401, 403) are the
    account's, everything else is the request's.  A limit of time counts only while
    connecting: later ones have cost the client's patience already.
    """
    status = error.upstream_status
    if status is not None:
        return status in (404, 408) or status >= 500
    if isinstance(error, DeadlineError):
        return error.code == "connect_timeout"
    if isinstance(error, CancelledByClientError | UnavailableError | EmptyResponseError):
        return False
    return type(error) is UpstreamError or error.code == TLS_FAILED
