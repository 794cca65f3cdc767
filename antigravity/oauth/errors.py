"""Errors of logins."""

from __future__ import annotations

from antigravity.ir.errors import UpstreamError


class LoginError(Exception):
    """A login failed; the text names the reason and what to do.

    ``final`` says that the user has refused, so that no further response is expected.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class DiscoveryError(LoginError):
    """The metadata of a server is missing, malformed or not acceptable."""


class LoginLostError(UpstreamError):
    """There is no login, or the authorization server no longer accepts it; only a new one helps."""
