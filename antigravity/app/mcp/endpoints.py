"""What the gateway offers over MCP: its endpoints through all configurations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.app.mcp.federation import run, servers_of
from antigravity.app.mcp.relay import RelayEndpoints
from antigravity.app.mcp.vision import Ask, VisionEndpoint
from antigravity.config.settings import Settings
from antigravity.interfaces.mcp import IMcpEndpoint
from antigravity.interfaces.transport import IHttpTransport, IMediaFetcher
from antigravity.mcp.client.federation import Federation
from antigravity.mcp.endpoint import Limits, McpEndpoint
from antigravity.mcp.registry import McpRegistry
from antigravity.mcp.running_calls import CallLimits
from antigravity.plugins import Registry
from antigravity.services import Drain

#: Where all tools, prompts and resources are.
PATH: Final = "/mcp"


class McpEndpoints:
    """Endpoints by path.  Sessions live on when the configuration changes.

    ``ask`` has a model of the pool look at images.
    """

    def __init__(
        self, reactor: Any, home: Path, drain: Drain, transport: IHttpTransport, ask: Ask
    ) -> None:
        self._clock = reactor
        self._home = home
        self._drain = drain
        self._registry = McpRegistry()
        self._endpoint: McpEndpoint | None = None
        self._federation = Federation(reactor, transport, partial(run, reactor))
        self._relaying = RelayEndpoints(reactor, drain, transport)
        self._viewing = VisionEndpoint(reactor, drain, transport, ask)

    def endpoints(
        self, settings: Settings, registry: Registry, media: IMediaFetcher
    ) -> Mapping[str, IMcpEndpoint]:
        """Return what answers at which path.

        From now on it offers what ``registry`` holds, and what the servers of ``settings`` have.
        """
        self._federation.use(servers_of(settings, self._home))
        limits = _limits(settings)
        return {
            **self._own(settings, registry, limits),
            **self._relaying.endpoints(settings),
            **self._viewing.endpoints(settings, limits, media),
        }

    def status(self) -> list[dict[str, object]]:
        """Return how the servers are that the gateway is connected to."""
        return self._federation.status()

    def stop(self) -> Deferred[Any]:
        """End all sessions, calls and streams.

        Return a Deferred that fires when nothing of the servers is left either.
        """
        self._relaying.stop()
        self._viewing.stop()
        self._stop_own()
        return self._federation.stop()

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
        catalogs = (registry.mcp, *registry.mcp_catalogs, *self._federation.catalogs)
        self._registry.replace(catalogs)
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
