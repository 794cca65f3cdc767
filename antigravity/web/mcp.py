"""MCP endpoints behind the door: HTTP in, a call, its reply out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.interfaces.mcp import IMcpEndpoint, McpCall
from antigravity.web.request import take_body, visit_of
from antigravity.web.writer import write_reply

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
