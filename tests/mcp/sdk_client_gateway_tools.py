"""Ask a gateway about itself with the official client: ``sdk_client_gateway_tools.py URL MODE``."""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import Any

from mcp import Client, MCPError
from mcp.client.client import ConnectMode

warnings.simplefilter("ignore")

MODEL = "gemini-2.5-flash"


async def ask(url: str, mode: ConnectMode) -> dict[str, Any]:
    """Return what was answered; the client checks results against the output schemas."""
    async with Client(url, mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        found: dict[str, Any] = {"tools": sorted(tools)}

        async def call(name: str, **arguments: Any) -> Any:
            try:
                result = await client.call_tool(name, arguments)
            except MCPError as error:
                return {"code": error.code}
            if result.is_error:
                return {"error": result.content[0].text}  # type: ignore[union-attr]
            assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
            return result.structured_content

        found["status"] = await call("gateway_status")
        if "code" in found["status"]:
            return found
        found["annotations"] = [tool.annotations.read_only_hint for tool in tools.values()]  # type: ignore[union-attr]
        found["usage"] = await call("gateway_usage", hours=1, by=["model", "day"])
        found["failed"] = await call("gateway_requests", outcome="error", model=MODEL)
        first = await call("gateway_requests", limit=1)
        found["first"] = first
        found["second"] = await call("gateway_requests", limit=1, before=first["next"])
        failed = found["failed"]["requests"][0]["id"]
        found["request"] = await call("gateway_explain", request_id=failed)
        found["model"] = await call("gateway_explain", model=MODEL)
        found["wrong"] = [
            await call("gateway_explain"),
            await call("gateway_explain", request_id="none"),
            await call("gateway_requests", before="moon"),
            await call("gateway_requests", limit=1000),
            await call("gateway_usage", by=["hour", "day"]),
            await call("gateway_usage", zone="Moon/Base"),
        ]
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(sys.argv[1], sys.argv[2]))))
