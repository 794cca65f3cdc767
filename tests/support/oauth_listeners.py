"""A protected server and its authorization server on loopback ports."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.web.server import Site

from tests.support.authorization_server import AuthorizationServer
from tests.support.oauth_network import HandlerResource
from tests.support.protected_server import ProtectedServer


class OAuthListeners:
    """Both servers on free ports of 127.0.0.1; ``ahead`` is how far the clock of both is ahead."""

    def __init__(self, reactor: Any) -> None:
        self.ahead = 0.0
        self._ports: list[Any] = []
        self._handlers: dict[str, Any] = {}
        url, issuer = f"{self._listen(reactor)}/mcp", self._listen(reactor)
        self.authorization = AuthorizationServer(issuer, {url}, self.now)
        self.server = ProtectedServer(url, self.authorization)
        self._handlers = {
            self.server.origin: self.server.handle,
            issuer: self.authorization.handle,
        }

    def now(self) -> float:
        return time.time() + self.ahead

    def table(self, name: str = "far", *lines: str, with_issuer: bool = True) -> str:
        """Return the server's table in a configuration."""
        table = [f"[mcp.servers.{name}]", f'url = "{self.server.url}"', *lines]
        if with_issuer:
            table += [f"[mcp.servers.{name}.oauth]", f'issuer = "{self.authorization.issuer}"']
        return "\n".join([*table, ""])

    def stop(self) -> Deferred[Any]:
        return gatherResults([port.stopListening() for port in self._ports])

    def _listen(self, reactor: Any) -> str:
        """Listen on a free port, and return its origin."""
        resource = HandlerResource(lambda request: self._handlers[resource.origin](request))
        port = reactor.listenTCP(0, Site(resource), interface="127.0.0.1")
        resource.origin = f"http://127.0.0.1:{port.getHost().port}"
        self._ports.append(port)
        return resource.origin
