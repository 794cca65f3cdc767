"""Serve everything that MCP clients are tested with: ``conformance_gateway.py [RELAYED]``.

RELAYED is the address of the server to which web search is relayed, and whose tools are offered
as ``far__TOOL``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.mcp_settings import McpServerSettings, ZaiMcpSettings
from antigravity.config.settings import Settings, ZaiSettings
from antigravity.plugins import PluginHost
from tests.mcp.conformance_plugin import Everything


async def serve(clock: Any, relayed: str = "") -> None:
    """Serve until the process is told to stop; say where once it does."""
    plugins = PluginHost()
    plugins.load(extra=[("everything", Everything(clock))], installed=False)
    assert not plugins.problems, plugins.problems
    proxy = replace(Settings().proxy, port=0)
    if relayed:
        tools = ZaiMcpSettings(enabled=True, web_search_enabled=True, web_search_url=relayed)
        proxy = replace(proxy, zai=ZaiSettings(mcp=tools))
    servers = {"far": McpServerSettings(url=relayed)} if relayed else {}
    mcp = replace(Settings().mcp, servers=servers)
    origins: list[str] = []

    def configure(_: object = None) -> LoadedConfiguration:
        allowing = replace(proxy, allowed_origins=origins)
        return LoadedConfiguration(replace(Settings(), proxy=allowing, mcp=mcp), plugins)

    with tempfile.TemporaryDirectory() as home:
        first = configure().settings
        gateway = Gateway(clock, first, Path(home), plugins, configure=configure)
        clock.addSystemEventTrigger("before", "shutdown", gateway.stopService)
        await gateway.startService()
        listener: Any = gateway.listener
        port = listener.ports[0].getHost().port
        # The suite sends a page's Origin that is to be let in, and one that is not.
        origins += [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
        await gateway.reload()
        print(f"serving http://127.0.0.1:{port}/mcp", flush=True)
        await Deferred()


if __name__ == "__main__":
    react(serve, sys.argv[1:], _reactor=reactor)
