"""A gateway with everything that MCP clients can be tested with: ``mcp_serve.py PORT [RELAYED]``.

RELAYED is the address of a server that it hands on what comes for web search.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from mcp_everything import Everything
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from antigravity.config.mcp_settings import ZaiMcpSettings
from antigravity.config.settings import Settings, ZaiSettings
from antigravity.gateway import Gateway
from antigravity.plugins import PluginHost


async def serve(clock: Any, port: str, relayed: str = "") -> None:
    """Serve until the process is told to stop; say where once it does."""
    plugins = PluginHost()
    plugins.load(extra=[("everything", Everything(clock))], installed=False)
    assert not plugins.problems, plugins.problems
    settings = Settings()
    # The suite sends a page's Origin that is to be let in, and one that is not.
    proxy = replace(
        settings.proxy,
        port=int(port),
        allowed_origins=[f"http://127.0.0.1:{port}", f"http://localhost:{port}"],
    )
    if relayed:
        tools = ZaiMcpSettings(enabled=True, web_search_enabled=True, web_search_url=relayed)
        proxy = replace(proxy, zai=ZaiSettings(mcp=tools))
    with tempfile.TemporaryDirectory() as home:
        gateway = Gateway(clock, replace(settings, proxy=proxy), Path(home), plugins)
        clock.addSystemEventTrigger("before", "shutdown", gateway.stopService)
        await gateway.startService()
        print(f"serving http://127.0.0.1:{port}/mcp", flush=True)
        await Deferred()


if __name__ == "__main__":
    react(serve, sys.argv[1:], _reactor=reactor)
