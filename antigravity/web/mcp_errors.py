"""How the door says no to MCP clients."""

from __future__ import annotations

from typing import Final

import msgspec

from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError

#: What all endpoints stand at or below.
ROOT: Final = "/mcp"
_INVALID_REQUEST: Final = -32600


def is_mcp_path(path: str) -> bool:
    """Return whether ``path`` is for MCP clients."""
    return path == ROOT or path.startswith(f"{ROOT}/")


class McpErrorShape:
    """JSON-RPC errors without an id: no message was read."""

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return ``error`` as MCP clients read it."""
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
