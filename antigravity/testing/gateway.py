"""A real gateway on a free port, with the simulator as its upstream, for tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import treq
from msgspec.structs import replace
from twisted.internet.defer import maybeDeferred
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

from antigravity.app.demo import DemoSimulator, demo_settings
from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.home import FILE_NAME
from antigravity.config.settings import Settings
from antigravity.config.snapshot import load
from antigravity.plugins import PluginHost
from antigravity.testing.responses import GatewayResponse
from antigravity.transport.body_producer import BodyProducer

#: The stateless revision of MCP, which needs no session.
_MCP_REVISION: Final = "2026-07-28"
_MCP_META: Final = "io.modelcontextprotocol/"

Plugins = Iterable[tuple[str, object]]


class GatewayUnderTest:
    """A running gateway; created by :func:`start_gateway`.

    :ivar url: its base URL.
    """

    def __init__(
        self, reactor: Any, home: Path, plugins: Plugins, *, installed: bool, simulated: bool
    ) -> None:
        self._home = home
        self._plugins = tuple(plugins)
        self._installed = installed
        self._reactor = reactor
        self._demo = DemoSimulator(reactor) if simulated else None
        self._gateway: Gateway | None = None
        self._connections = HTTPConnectionPool(reactor, persistent=False)
        self._agent = Agent(reactor, pool=self._connections)
        self.url = ""

    @property
    def plugins(self) -> PluginHost:
        """The current plugins."""
        return self._configured.plugins

    @property
    def simulator_url(self) -> str:
        """The base URL of the simulator."""
        return "" if self._demo is None else self._demo.address

    @property
    def simulator(self) -> Any:
        """The simulator; its ``log`` contains the requests that it received."""
        return None if self._demo is None else self._demo.simulator

    async def start(self, config: str) -> None:
        """Start with ``config``, the text of a configuration file.

        :raises ConfigurationError: if the configuration is invalid.
        """
        if self._demo is not None:
            await self._demo.start()
        try:
            self._write(config)
            configured = self._configure()
            self._gateway = Gateway(
                self._reactor,
                configured.settings,
                self._home,
                configured.plugins,
                configure=self._configure,
            )
            await self._gateway.startService()
        except Exception:
            await self.stop()
            raise
        listener = self._gateway.listener
        assert listener is not None
        address: Any = listener.ports[0].getHost()
        self.url = f"http://127.0.0.1:{address.port}"

    async def stop(self) -> None:
        """Stop the gateway and the simulator, and close all connections."""
        if self._gateway is not None:
            await maybeDeferred(self._gateway.stopService)
        if self._demo is not None:
            await self._demo.stop()
        await self._connections.closeCachedConnections()

    async def reload(self, config: str) -> None:
        """Reload with another configuration, like after an edit of the file.

        :raises ConfigurationError: if the configuration is invalid; then nothing changes.
        """
        assert self._gateway is not None
        self._write(config)
        await self._gateway.reload()

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> GatewayResponse:
        """Send a request to the gateway; ``body`` is bytes, or a value to send as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = Headers({"content-type": ["application/json"]} if body is not None else {})
        for name, value in (headers or {}).items():
            sent.setRawHeaders(name, [value])
        producer = None if body is None else BodyProducer(data)
        response = await self._agent.request(
            method.encode(), f"{self.url}{path}".encode(), sent, producer
        )
        found = response.headers.getAllRawHeaders()
        names = {name.decode().lower(): values[-1].decode() for name, values in found}
        return GatewayResponse(response.code, names, await treq.content(response))

    async def mcp(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        path: str = "/mcp",
        capabilities: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the result of one MCP request: ``mcp("tools/call", {"name": …})``.

        ``capabilities`` are declared by the client, none by default.

        :raises AssertionError: if the response is an error.
        """
        meta = {
            f"{_MCP_META}protocolVersion": _MCP_REVISION,
            f"{_MCP_META}clientInfo": {"name": "antigravity.testing", "version": "1"},
            f"{_MCP_META}clientCapabilities": capabilities or {},
        }
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": method,
            "params": {**(params or {}), "_meta": meta},
        }
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": _MCP_REVISION,
            "mcp-method": method,
        }
        for key in ("name", "uri", "taskId"):
            if isinstance(named := (params or {}).get(key), str):
                headers["mcp-name"] = named
        response = await self.request("POST", path, message, headers)
        replies = (
            response.chunks()
            if "event-stream" in response.headers.get("content-type", "")
            else [response.json()]
        )
        (reply,) = (reply for reply in replies if reply.get("id") == 1)
        if "result" not in reply:
            raise AssertionError(f"{method}: {reply.get('error')}")
        return reply["result"]

    def _write(self, config: str) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        file = self._home / FILE_NAME
        file.touch(0o600)
        file.write_text(config, "utf-8")

    def _configure(self, in_force: object = None) -> LoadedConfiguration:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("ANTIGRAVITY_")}
        fixed = {"proxy.listen": ["tcp:0:interface=127.0.0.1"]}
        first = load(self._home, environ=environ, overrides=fixed).settings
        plugins = PluginHost(first.plugins)
        plugins.load(extra=self._plugins, installed=self._installed)
        known = plugins.registry.known_names
        settings = load(self._home, environ=environ, overrides=fixed, known=known).settings
        self._configured = LoadedConfiguration(self._with_simulator(settings), plugins)
        return self._configured

    def _with_simulator(self, settings: Settings) -> Settings:
        if self._demo is None:
            return settings
        simulated = demo_settings(settings, self._demo.address).upstreams
        return replace(settings, upstreams={**settings.upstreams, **simulated})


async def start_gateway(
    reactor: Any,
    home: Path,
    *,
    plugins: Plugins | Sequence[tuple[str, object]] = (),
    config: str = "",
    installed: bool = False,
    simulated: bool = True,
) -> GatewayUnderTest:
    """Start a gateway for tests that run in a reactor, such as those of ``trial``.

    :param home: an empty folder for its configuration and state.
    :param plugins: names and plugins to use besides the built-in ones.
    :param config: the text of the configuration file.
    :param installed: whether to use the plugins that are installed, too.
    :param simulated: whether to add the simulator as upstreams ``demo-openai``,
        ``demo-anthropic``, ``demo-gemini_api`` and ``demo-codeassist``, after those of ``config``.
    :raises ConfigurationError: if ``config`` is invalid.
    """
    gateway = GatewayUnderTest(reactor, home, plugins, installed=installed, simulated=simulated)
    await gateway.start(config)
    return gateway
