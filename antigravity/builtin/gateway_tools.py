"""The gateway's own tools for MCP clients, off by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from antigravity.hookspecs import hookimpl

NAME = "gateway-tools"


@hookimpl
def register_mcp_tools(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register the tools that the settings enable; they are imported then."""
    if not settings:
        return
    from antigravity.mcp.gateway_tools.tools import gateway_tools

    for tool in gateway_tools(settings):
        register(tool)
