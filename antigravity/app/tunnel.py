"""The tunnel of one gateway, with a way in of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from antigravity.processes.guarded import spawn
from antigravity.tunnel.service import Tunnel
from antigravity.tunnel.tunnel_port import TunnelPort
from antigravity.web.app import WebApp
from antigravity.web.tunnel_access import TunnelAccess


class TunnelSite:
    """Serves ``app`` to who comes through the tunnel, once there is one.

    :ivar tunnel: the tunnel.
    """

    def __init__(self, reactor: Any, app: WebApp, home: Path) -> None:
        entrance = TunnelAccess()
        self._site = app.site(reactor, entrance)
        port = TunnelPort(reactor, self._site)
        self.tunnel = Tunnel(reactor, partial(spawn, reactor), port, entrance, home)

    def serve(self, app: WebApp) -> None:
        """Serve new requests with ``app``."""
        self._site.resource, self._site.admission = app.resource(), app.admission
