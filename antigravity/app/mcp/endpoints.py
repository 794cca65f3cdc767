"""The MCP endpoints of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.app.mcp.federation import build_servers, run
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

#: The endpoint of all tools, prompts and resources.
PATH: Final = "/mcp"


class McpEndpoints:
    """All MCP endpoints of the gateway; their sessions survive a reload.

    ``ask`` calls a model of the gateway, for the vision tools.
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
        self._relays = RelayEndpoints(reactor, drain, transport)
        self._vision = VisionEndpoint(reactor, drain, transport, ask)

    def endpoints(
        self, settings: Settings, registry: Registry, media: IMediaFetcher
    ) -> Mapping[str, IMcpEndpoint]:
        """Return the endpoints by path.

        They offer the entries of ``registry`` and of the servers in ``settings``.
        """
        self._federation.use(build_servers(settings, self._home))
        limits = _limits(settings)
        return {
            **self._gateway_endpoint(settings, registry, limits),
            **self._relays.endpoints(settings),
            **self._vision.endpoints(settings, limits, media),
        }

    def status(self) -> list[dict[str, object]]:
        """Return the state of the other MCP servers."""
        return self._federation.status()

    def stop(self) -> Deferred[Any]:
        """End all sessions, calls and streams.

        Return a Deferred that fires when the other MCP servers are stopped too.
        """
        self._relays.stop()
        self._vision.stop()
        self._stop_gateway_endpoint()
        return self._federation.stop()

    def _gateway_endpoint(
        self, settings: Settings, registry: Registry, limits: Limits
    ) -> Mapping[str, IMcpEndpoint]:
        if not settings.mcp.enabled:
            self._stop_gateway_endpoint()
            return {}
        if self._endpoint is None:
            self._endpoint = McpEndpoint(
                self._registry, self._clock, enter=self._drain.enter, leave=self._drain.leave
            )
        self._endpoint.configure(limits)
        catalogs = (registry.mcp, *registry.mcp_catalogs, *self._federation.catalogs)
        self._registry.replace(catalogs)
        return {PATH: self._endpoint}

    def _stop_gateway_endpoint(self) -> None:
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
