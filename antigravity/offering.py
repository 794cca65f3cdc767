"""What the gateway offers over MCP: the endpoint at ``/mcp`` through all configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antigravity.config.settings import Settings
from antigravity.interfaces.mcp import IMcpEndpoint
from antigravity.mcp.calls import CallLimits
from antigravity.mcp.endpoint import Limits, McpEndpoint
from antigravity.mcp.registry import McpRegistry
from antigravity.plugins import Registry
from antigravity.services import Drain

#: Where all tools, prompts and resources are.
PATH: Final = "/mcp"


class Offering:
    """Endpoints by path.  Sessions live on when the configuration changes."""

    def __init__(self, clock: Any, drain: Drain) -> None:
        self._clock = clock
        self._drain = drain
        self._registry = McpRegistry()
        self._endpoint: McpEndpoint | None = None

    def endpoints(self, settings: Settings, registry: Registry) -> Mapping[str, IMcpEndpoint]:
        """Return what answers at which path; from now on it offers what ``registry`` holds."""
        if not settings.mcp.enabled:
            self.stop()
            return {}
        if self._endpoint is None:
            self._endpoint = McpEndpoint(
                self._registry, self._clock, enter=self._drain.enter, leave=self._drain.leave
            )
        self._endpoint.configure(_limits(settings))
        self._registry.replace((registry.mcp, *registry.mcp_catalogs))
        return {PATH: self._endpoint}

    def stop(self) -> None:
        """End all sessions, calls and streams."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.stop()


def _limits(settings: Settings) -> Limits:
    mcp = settings.mcp
    return Limits(
        CallLimits(mcp.max_calls, mcp.call_timeout),
        mcp.session_ttl,
        mcp.max_sessions,
        settings.proxy.keepalive_interval,
    )
