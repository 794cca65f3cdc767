"""The same as sdk_client.py, over ``antigravity mcp``: ``sdk_client_over_bridge.py URL MODE``."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.mcp.sdk_client import ask

if __name__ == "__main__":
    url, mode = sys.argv[1:]
    arguments = ["-m", "antigravity", "mcp", "--url", url]
    program = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
    server: Any = stdio_client(program)
    print(json.dumps(asyncio.run(ask(server, mode))))  # type: ignore[arg-type]
