"""The parts of a running gateway, and what a successor takes over from it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.app.accounts import Warmups
from antigravity.app.administration import Administration
from antigravity.app.front_end import FrontEnd
from antigravity.app.metrics import GatewayMetrics
from antigravity.app.runtime import LoadedConfiguration, Runtime
from antigravity.dashboard.routes import DashboardState
from antigravity.exchange.service import Exchange
from antigravity.web.listener import Listener
from antigravity.web.site import GatewaySite


class RunningParts(Struct):
    """The parts of a running gateway; a reload replaces ``runtime`` and ``listener``."""

    runtime: Runtime
    exchange: Exchange
    warmups: Warmups
    front_end: FrontEnd
    listener: Listener | None = None

    def administration(self) -> Administration:
        """Return the operator's interface to the current runtime."""
        return self.front_end.administration(self.runtime)


class Predecessor(Struct, frozen=True):
    """What a gateway takes over from a demo: open ports, their site, sessions of the dashboard.

    The ports of ``metrics`` are closed before the gateway opens its own.
    """

    listener: Listener
    site: GatewaySite
    dashboard: DashboardState
    metrics: GatewayMetrics


#: Ends a demo whose configuration has accounts now, and returns a Deferred; else ``None``.
EndDemo = Callable[[LoadedConfiguration], Deferred[None] | None]
