"""The MCP endpoints of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, succeed

from antigravity.config.settings import Settings
from antigravity.interfaces.mcp import IMcpEndpoint
from antigravity.interfaces.operator_view import OperatorView
from antigravity.interfaces.status import McpServerStatus
from antigravity.interfaces.transport import IHttpTransport, IMediaFetcher
from antigravity.mcp.endpoint import Limits, McpEndpoint
from antigravity.mcp.registry import McpRegistry
from antigravity.mcp.running_calls import CallLimits
from antigravity.mcp.tasks.table import TaskLimits
from antigravity.mcp.tool_calls import Observe, ignore
from antigravity.plugin_registry import Registry
from antigravity.services import Drain

if TYPE_CHECKING:
    from antigravity.app.mcp.relay import RelayEndpoints
    from antigravity.app.mcp.vision import Ask, VisionEndpoint
    from antigravity.mcp.client.federation import Federation

#: The endpoint of all tools, prompts and resources.
PATH: Final = "/mcp"


class McpEndpoints:
    """All MCP endpoints of the gateway; their sessions survive a reload.

    Other servers, the relay and the vision tools are imported when the configuration has them.
    ``ask`` calls a model of the gateway, for the vision tools.  ``observe`` is called with every
    call of a tool.
    """

    def __init__(
        self,
        reactor: Any,
        home: Path,
        drain: Drain,
        transport: IHttpTransport,
        ask: Ask,
        observe: Observe = ignore,
    ) -> None:
        self._observe = observe
        self._clock = reactor
        self._home = home
        self._drain = drain
        self._transport = transport
        self._ask = ask
        self._registry = McpRegistry()
        self._endpoint: McpEndpoint | None = None
        self._federation: Federation | None = None
        self._relays: RelayEndpoints | None = None
        self._vision: VisionEndpoint | None = None

    def endpoints(
        self,
        settings: Settings,
        registry: Registry,
        media: IMediaFetcher,
        view: OperatorView,
    ) -> Mapping[str, IMcpEndpoint]:
        """Return the endpoints by path.

        They offer the entries of ``registry`` and of the servers in ``settings``.  ``view`` is for
        tools that not every client may call.
        """
        self._use_servers(settings)
        limits = _limits(settings)
        endpoints = dict(self._gateway_endpoint(settings, registry, limits, view))
        if settings.proxy.zai.mcp.enabled:
            self._import_zai()
        if self._relays is not None and self._vision is not None:
            endpoints |= self._relays.endpoints(settings)
            endpoints |= self._vision.endpoints(settings, limits, media)
        return endpoints

    def status(self) -> list[McpServerStatus]:
        """Return the state of the other MCP servers."""
        return [] if self._federation is None else self._federation.status()

    def finished_calls(self) -> Mapping[tuple[str, str], int]:
        """Return the number of finished calls at the gateway's endpoint by method and outcome."""
        return {} if self._endpoint is None else dict(self._endpoint.finished)

    def tool_names(self) -> list[str]:
        """Return the names of the tools that the gateway's endpoint offers."""
        return [] if self._endpoint is None else list(self._registry.tools())

    def stop(self) -> Deferred[Any]:
        """End all sessions, calls and streams.

        Return a Deferred that fires when the other MCP servers are stopped too.
        """
        if self._relays is not None:
            self._relays.stop()
        if self._vision is not None:
            self._vision.stop()
        self._stop_gateway_endpoint()
        return succeed(None) if self._federation is None else self._federation.stop()

    def _use_servers(self, settings: Settings) -> None:
        """Connect to the other servers in ``settings``."""
        if self._federation is None:
            if not settings.mcp.servers:
                return
            from antigravity.app.mcp.federation import run
            from antigravity.app.mcp.logins import open_login
            from antigravity.mcp.client.federation import Federation

            self._federation = Federation(
                self._clock,
                self._transport,
                partial(run, self._clock),
                partial(open_login, self._clock, self._home),
            )
        from antigravity.app.mcp.federation import build_servers

        self._federation.use(build_servers(settings, self._home))

    def _import_zai(self) -> None:
        """Import the relay and the vision tools, unless they are there."""
        if self._relays is None:
            from antigravity.app.mcp.relay import RelayEndpoints
            from antigravity.app.mcp.vision import VisionEndpoint

            parts = (self._clock, self._drain, self._transport, self._observe)
            self._relays = RelayEndpoints(*parts)
            self._vision = VisionEndpoint(*parts, self._ask)

    def _gateway_endpoint(
        self, settings: Settings, registry: Registry, limits: Limits, view: OperatorView
    ) -> Mapping[str, IMcpEndpoint]:
        if not settings.mcp.enabled:
            self._stop_gateway_endpoint()
            return {}
        if self._endpoint is None:
            self._endpoint = McpEndpoint(
                self._registry,
                self._clock,
                enter=self._drain.enter,
                leave=self._drain.leave,
                observe=self._observe,
            )
        self._endpoint.configure(limits)
        self._endpoint.show_gateway(view)
        others = () if self._federation is None else self._federation.catalogs
        catalogs = (registry.mcp, *registry.mcp_catalogs, *others)
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
        TaskLimits(mcp.max_tasks, mcp.max_tasks_per_key, mcp.task_ttl),
        mcp.session_ttl,
        mcp.max_sessions,
        settings.proxy.keepalive_interval,
    )
