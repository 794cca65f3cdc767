"""What can go wrong between us and a server, besides what the server says itself."""

from __future__ import annotations

from antigravity.ir.errors import UpstreamError


class McpConnectionError(UpstreamError):
    """A server cannot be reached, or answers what is no MCP.

    :ivar http_status: what it answered over HTTP, 0 if nothing.
    """

    def __init__(self, message: str, http_status: int = 0) -> None:
        super().__init__(message)
        self.http_status = http_status


class SessionLostError(McpConnectionError):
    """The server does not know our session (any more); nothing was done."""


class McpTimeoutError(McpConnectionError):
    """A server does not answer in time."""
