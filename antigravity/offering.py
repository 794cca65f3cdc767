"""What the gateway offers over MCP: its endpoints through all configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antigravity.config.settings import Settings
from antigravity.interfaces.mcp import IMcpEndpoint
from antigravity.interfaces.transport import IHttpTransport, IMediaFetcher
from antigravity.mcp.calls import CallLimits
from antigravity.mcp.endpoint import Limits, McpEndpoint
from antigravity.mcp.registry import McpRegistry
from antigravity.plugins import Registry
from antigravity.relaying import Relaying
from antigravity.services import Drain
from antigravity.viewing import Ask, Viewing

#: Where all tools, prompts and resources are.
PATH: Final = "/mcp"


class Offering:
    """Endpoints by path.  Sessions live on when the configuration changes.

    ``ask`` has a model of the pool look at pictures.
    """

    def __init__(self, reactor: Any, drain: Drain, transport: IHttpTransport, ask: Ask) -> None:
        self._clock = reactor
        self._drain = drain
        self._registry = McpRegistry()
        self._endpoint: McpEndpoint | None = None
        self._relaying = Relaying(reactor, drain, transport)
        self._viewing = Viewing(reactor, drain, transport, ask)

    def endpoints(
        self, settings: Settings, registry: Registry, media: IMediaFetcher
    ) -> Mapping[str, IMcpEndpoint]:
        """Return what answers at which path; from now on it offers what ``registry`` holds."""
        limits = _limits(settings)
        return {
            **self._own(settings, registry, limits),
            **self._relaying.endpoints(settings),
            **self._viewing.endpoints(settings, limits, media),
        }

    def stop(self) -> None:
        """End all sessions, calls and streams."""
        self._relaying.stop()
        self._viewing.stop()
        self._stop_own()

    def _own(
        self, settings: Settings, registry: Registry, limits: Limits
    ) -> Mapping[str, IMcpEndpoint]:
        if not settings.mcp.enabled:
            self._stop_own()
            return {}
        if self._endpoint is None:
            self._endpoint = McpEndpoint(
                self._registry, self._clock, enter=self._drain.enter, leave=self._drain.leave
            )
        self._endpoint.configure(limits)
        self._registry.replace((registry.mcp, *registry.mcp_catalogs))
        return {PATH: self._endpoint}

    def _stop_own(self) -> None:
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
