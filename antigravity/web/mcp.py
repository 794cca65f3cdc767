"""MCP endpoints behind the door: HTTP in, a call, its reply out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred

from antigravity.interfaces.mcp import IMcpEndpoint, McpCall
from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.web.request import take_body, visit_of
from antigravity.web.writer import write_reply

#: What all endpoints stand at or below.
ROOT: Final = "/mcp"
_METHODS: Final = ("GET", "POST", "DELETE")

Handler = Callable[[Any], object]


def mcp_paths(
    endpoints: Mapping[str, IMcpEndpoint],
) -> dict[str, tuple[tuple[str, ...], Handler]]:
    """Return the path of every endpoint with its methods and handler."""
    return {path: (_METHODS, partial(_serve, endpoint)) for path, endpoint in endpoints.items()}


def _serve(endpoint: IMcpEndpoint, request: Any) -> Deferred[None]:
    visit = visit_of(request)
    call = McpCall(
        visit.method,
        visit.headers,
        take_body(request),
        visit.principal,
        visit.id,
        visit.loopback,
    )
    return endpoint.handle(call).addCallback(write_reply, request)


class McpErrors:
    """How the door says no to MCP clients: a JSON-RPC error without an id."""

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error as MCP clients read it."""
        body = {
            "jsonrpc": "2.0",
            "id": None,
            "error": {"code": -32600, "message": error.message, "data": {"requestId": request_id}},
        }
        headers: tuple[tuple[str, str], ...] = ()
        if error.retry_after is not None:
            headers = (("Retry-After", str(max(1, round(error.retry_after)))),)
        return HttpReply(error.status, msgspec.json.encode(body), headers=headers)


def is_mcp_path(path: str) -> bool:
    """Return whether ``path`` is for MCP clients."""
    return path == ROOT or path.startswith(f"{ROOT}/")
