"""A server made with the official SDK: ``sdk_mcp_server.py stdio``, or ``… SOCKET``.

SOCKET is the number of a file descriptor that listens already.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("sdk", log_level="ERROR")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
async def count(context: Context) -> str:
    """Count to three, and say so."""
    for step in (1, 2, 3):
        await context.report_progress(step, 3, f"step {step}")
    return "counted"


@server.tool()
async def hang() -> str:
    """Hang until nobody waits any more."""
    await asyncio.sleep(600)
    return "never"


@server.tool()
async def fail() -> str:
    """Fail."""
    raise ValueError("it went wrong")


@server.resource("sdk://item/{number}")
def item(number: str) -> str:
    """Return an item."""
    return f"item {number}"


@server.prompt()
def greet(who: str) -> str:
    """Greet somebody."""
    return f"Greet {who}."


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        uvicorn.run(server.streamable_http_app(), fd=int(sys.argv[1]), log_level="error")
