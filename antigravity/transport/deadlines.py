"""The errors of time limits: each names the setting that raises it."""

from __future__ import annotations

from typing import Final, Literal

from antigravity.ir.errors import TLS_FAILED, DeadlineError, UnusableResponseError

Limit = Literal["connect", "first_byte", "idle", "total"]

_WHAT: Final[dict[Limit, str]] = {
    "connect": "no connection to {where} within {seconds:g} s",
    "first_byte": "{where} sent no response headers within {seconds:g} s",
    "idle": "{where} sent nothing for {seconds:g} s",
    "total": "{where} did not complete its response within {seconds:g} s",
}


def deadline_error(limit: Limit, seconds: float, where: str) -> DeadlineError:
    """Return the error for ``limit``; its ``code`` is the limit's name and ``_timeout``.

    ``where`` is a host and port, never a whole URL, which may hold a secret.
    """
    what = _WHAT[limit].format(where=where, seconds=seconds)
    setting = f"upstreams.NAME.timeouts.{limit}"
    if limit == "total":
        setting += " (or proxy.request_timeout, its default)"
    return DeadlineError(f"{what}; to wait longer, raise {setting}", code=f"{limit}_timeout")


def handshake_error(seconds: float, where: str) -> UnusableResponseError:
    """Return the error for a server that accepts connections but does not complete TLS."""
    return UnusableResponseError(
        f"{where} accepted the connection, but did not complete the TLS handshake within "
        f"{seconds:g} s: is it an http address? To wait longer, raise "
        "upstreams.NAME.timeouts.connect",
        code=TLS_FAILED,
    )
