"""Errors of the web application for MCP clients."""

from __future__ import annotations

from typing import Final

import msgspec

from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError

#: The prefix of all endpoints.
ROOT: Final = "/mcp"
_INVALID_REQUEST: Final = -32600
#: The settings that switch an endpoint on.
_SWITCHES: Final = {
    ROOT: "mcp.enabled",
    "/mcp/web_search_prime/mcp": "proxy.zai.mcp.enabled and web_search_enabled",
    "/mcp/web_reader/mcp": "proxy.zai.mcp.enabled and web_reader_enabled",
    "/mcp/zai-mcp-server/mcp": "proxy.zai.mcp.enabled and vision_enabled",
}


def is_mcp_path(path: str) -> bool:
    """Return whether ``path`` is for MCP clients."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def missing_switch(path: str) -> str:
    """Return the settings that switch the endpoint at ``path`` on; empty if there are none."""
    return _SWITCHES.get(path.rstrip("/"), "")


class McpErrorEncoder:
    """JSON-RPC errors without an id, for requests whose message was not read."""

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return ``error`` as JSON-RPC."""
        body = {
            "jsonrpc": "2.0",
            "id": None,
            "error": {
                "code": _INVALID_REQUEST,
                "message": error.message,
                "data": {"requestId": request_id},
            },
        }
        headers: tuple[tuple[str, str], ...] = ()
        if error.retry_after is not None:
            headers = (("Retry-After", str(max(1, round(error.retry_after)))),)
        return HttpReply(error.status, msgspec.json.encode(body), headers=headers)
