"""Errors of connections to MCP servers."""

from __future__ import annotations

from antigravity.ir.errors import UpstreamError


class McpConnectionError(UpstreamError):
    """A server cannot be reached, or its response is not MCP.

    :ivar http_status: the HTTP status of its response, 0 without one.
    """

    def __init__(self, message: str, http_status: int = 0) -> None:
        super().__init__(message)
        self.http_status = http_status


class SessionLostError(McpConnectionError):
    """The server does not know the session; it did not process the request."""


class McpTimeoutError(McpConnectionError):
    """A server did not respond in time."""


class LoginRequiredError(McpConnectionError):
    """A server sends no responses until the operator logs in; the message names the command."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 401)
