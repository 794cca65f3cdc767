"""The sites of listener and tunnel, and the web application behind both."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from antigravity.app.access import Access
from antigravity.app.account_control import AccountControl
from antigravity.app.administration import Administration, GatewayControl
from antigravity.app.configuration_editor import ConfigurationEditor
from antigravity.app.connections import ClientConnections
from antigravity.app.lab import Lab
from antigravity.app.mcp.endpoints import McpEndpoints
from antigravity.app.model_administration import ModelAdministration
from antigravity.app.runtime import Runtime
from antigravity.app.system_control import SystemControl
from antigravity.dashboard.routes import DashboardRoutes, DashboardState, PluginPage
from antigravity.exchange.service import Exchange
from antigravity.interfaces.operator_view import OperatorView
from antigravity.processes.guarded import spawn
from antigravity.tunnel.service import Tunnel
from antigravity.tunnel.tunnel_port import TunnelPort
from antigravity.warmup.on_demand import WarmupsOnDemand
from antigravity.web.app import WebApp
from antigravity.web.authentication import principal_of
from antigravity.web.key_throttle import KeyThrottle
from antigravity.web.shared_guesses import SharedGuesses
from antigravity.web.site import GatewaySite
from antigravity.web.tunnel_access import TunnelAccess


class FrontEnd:
    """The sites that clients connect to; a reload replaces the application behind them.

    :param state: what gateways share.
    :ivar site: the site of the listener.
    :ivar tunnel: the tunnel, which has a site of its own.
    :ivar dashboard: sessions and live pages of the dashboard.
    """

    def __init__(
        self,
        reactor: Any,
        home: Path,
        exchange: Exchange,
        mcp: McpEndpoints,
        warmups: WarmupsOnDemand,
        control: GatewayControl,
        dashboard: DashboardState,
        state: Any,
    ) -> None:
        self._exchange = exchange
        self._mcp = mcp
        self._warmups = warmups
        self._control = control
        self._reactor = reactor
        self._accounts = AccountControl(reactor, home, control)
        self._editor = ConfigurationEditor(
            reactor, lambda: control.status.source, lambda: control.reload()
        )
        self._system = SystemControl(
            reactor, home, control, self._editor, lambda: sorted(mcp.tool_names())
        )
        self._connections = ClientConnections(reactor, home, control)
        self._key_throttle = KeyThrottle()
        guesses = SharedGuesses(state)
        self._key_throttle.share = guesses.tell
        self._key_throttle.share_unknown = guesses.tell_unknown
        self.dashboard = dashboard
        access = TunnelAccess()
        self.site = GatewaySite(reactor)
        self._tunnel_site = GatewaySite(reactor, access)
        port = TunnelPort(reactor, self._tunnel_site)
        self.tunnel = Tunnel(reactor, partial(spawn, reactor), port, access, home)

    @property
    def wrong_keys(self) -> int:
        """How many wrong keys clients have sent."""
        return self._key_throttle.total

    def mcp_calls(self) -> Mapping[tuple[str, str], int]:
        """Return the number of finished calls of MCP clients by method and outcome."""
        return self._mcp.finished_calls()

    def administration(self, runtime: Runtime) -> Administration:
        """Return the operator's view of ``runtime``."""
        return Administration(
            self._exchange,
            runtime.snapshot,
            self.tunnel,
            self._warmups,
            self._mcp,
            self._control,
            self._accounts,
            self._control.keys,
            self._models(runtime),
            Access(self._reactor, runtime.snapshot, self._control.ledger, self._control.keys),
            self._connections,
            self._system,
            Lab(
                self._reactor,
                self._exchange,
                runtime.registry.all_servers,
                principal_of(runtime.settings.proxy.admin_key.reveal()),
            ),
        )

    def _models(self, runtime: Runtime) -> ModelAdministration:
        source = self._control.status.source
        return ModelAdministration(
            self._reactor,
            runtime.snapshot,
            [protocol.name for protocol in runtime.registry.all_servers],
            runtime.registry.known_names,
            self._editor,
            "" if source is None else str(source.file),
        )

    def build_app(self, runtime: Runtime) -> WebApp:
        """Return the web application with the protocols and routes of the plugins.

        This also applies ``runtime`` to the MCP endpoints.
        """
        registry, administration = runtime.registry, self.administration(runtime)
        view = OperatorView(
            principal_of(runtime.settings.proxy.admin_key.reveal()),
            administration,
            self._control.ledger,
        )
        app = WebApp(
            self._exchange,
            registry.all_servers,
            runtime.settings,
            registry.routes,
            hostname=socket.gethostname(),
            administration=administration,
            ledger=self._control.ledger,
            metrics=self._control.metrics if runtime.settings.metrics.enabled else None,
            mcp=self._mcp.endpoints(runtime.settings, registry, runtime.media, view),
            pages=self._pages(runtime),
            admin_routes=registry.owned_admin_routes(),
            demo=self._control.is_demo,
            ring=self._control.keys.ring,
            key_usage=self._control.keys.usage,
        )
        app.admission.key_throttle = self._key_throttle
        app.admission.on_refusal = self._control.ledger.add_refusal
        return app

    def build_worker_app(self, runtime: Runtime) -> WebApp:
        """Return the web application of a worker: what every process can serve.

        The routes of plugins are there to be recognised.
        """
        registry = runtime.registry
        app = WebApp(
            self._exchange,
            registry.all_servers,
            runtime.settings,
            registry.routes,
            hostname=socket.gethostname(),
            ring=self._control.keys.ring,
            key_usage=self._control.keys.usage,
        )
        app.admission.key_throttle = self._key_throttle
        return app

    def _pages(self, runtime: Runtime) -> DashboardRoutes | None:
        if not runtime.settings.dashboard.enabled:
            self.dashboard.stop()
            return None
        return DashboardRoutes(
            self.dashboard,
            runtime.settings.proxy,
            self.administration(runtime),
            self._control.ledger,
            {
                name: PluginPage(runtime.registry.page_owner(page), page)
                for name, page in runtime.registry.dashboard_pages.items()
            },
        )

    def serve(self, app: WebApp) -> None:
        """Serve new requests with ``app``."""
        for site in (self.site, self._tunnel_site):
            site.serve(app.resource(), app.admission)
