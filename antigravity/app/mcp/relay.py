"""The endpoints that relay requests to z.ai's MCP servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antigravity.config.settings import Settings
from antigravity.interfaces.mcp import IMcpEndpoint
from antigravity.interfaces.transport import IHttpTransport
from antigravity.mcp.relay.endpoint import RelayEndpoint
from antigravity.mcp.relay.target import RelayTarget
from antigravity.mcp.tool_calls import Observe
from antigravity.services import Drain

SEARCH: Final = "/mcp/web_search_prime/mcp"
READER: Final = "/mcp/web_reader/mcp"


class RelayEndpoints:
    """The relay endpoints; sessions survive a reload unless the server's address changes."""

    def __init__(
        self, clock: Any, drain: Drain, transport: IHttpTransport, observe: Observe
    ) -> None:
        self._observe = observe
        self._clock = clock
        self._drain = drain
        self._transport = transport
        self._endpoints: dict[str, RelayEndpoint] = {}

    def endpoints(self, settings: Settings) -> Mapping[str, IMcpEndpoint]:
        """Return the endpoints by path, and stop those that are disabled."""
        targets = _targets(settings)
        for path in list(self._endpoints):
            if path not in targets or self._endpoints[path].remote.url != targets[path].url:
                self._endpoints.pop(path).stop()
        for path, remote in targets.items():
            endpoint = self._endpoints.get(path)
            if endpoint is None:
                endpoint = self._endpoints[path] = RelayEndpoint(
                    remote,
                    self._transport,
                    self._clock,
                    self._drain.enter,
                    self._drain.leave,
                    self._observe,
                )
            endpoint.remote = remote
            endpoint.most = settings.mcp.max_calls
            endpoint.sessions.ttl = settings.mcp.session_ttl
            endpoint.sessions.most = settings.mcp.max_sessions
        return dict(self._endpoints)

    def stop(self) -> None:
        """End all streams."""
        for endpoint in self._endpoints.values():
            endpoint.stop()
        self._endpoints.clear()


def zai_key(settings: Settings) -> str:
    """Return the key for z.ai's tools."""
    zai = settings.proxy.zai
    return zai.mcp.api_key.reveal() or zai.api_key.reveal()


def _targets(settings: Settings) -> dict[str, RelayTarget]:
    mcp, key = settings.proxy.zai.mcp, zai_key(settings)
    headers = (("authorization", f"Bearer {key}"),) if key else ()
    timeout = settings.mcp.call_timeout
    found: dict[str, RelayTarget] = {}
    if mcp.enabled and mcp.web_search_enabled:
        found[SEARCH] = RelayTarget("Web search", mcp.web_search_url, headers, timeout)
    if mcp.enabled and mcp.web_reader_enabled:
        found[READER] = RelayTarget("The web reader", mcp.web_reader_url, headers, timeout)
    return found
