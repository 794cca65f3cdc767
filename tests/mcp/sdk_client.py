"""Do with the official client what clients do: ``sdk_client.py URL MODE…``.

It prints what came, by mode.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import Any

import mcp_types as types
from mcp import Client, MCPError
from mcp.client.client import ConnectMode

#: Logging and pings are deprecated, and what old clients use.
warnings.simplefilter("ignore")


async def elicit(context: Any, params: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"name": "Ada", "response": "yes"})


async def sample(context: Any, params: Any) -> types.CreateMessageResult:
    content = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="m")


async def ask(url: str, mode: ConnectMode) -> dict[str, Any]:
    """Return what was answered."""
    logged: list[Any] = []
    progress: list[float] = []

    async def log(params: Any) -> None:
        logged.append(params.data)

    async def hear(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    client = Client(
        url,
        mode=mode,
        elicitation_callback=elicit,
        sampling_callback=sample,
        logging_callback=log,
        log_level="info",
    )
    async with client:
        tools = await client.list_tools()
        found: dict[str, Any] = {
            "revision": client.protocol_version,
            "tools": sorted(tool.name for tool in tools.tools),
        }

        async def call(name: str, arguments: dict[str, Any] | None = None) -> Any:
            result = await client.call_tool(name, arguments or {}, progress_callback=hear)
            return [result.is_error, [getattr(c, "text", c.type) for c in result.content]]

        found["simple"] = await call("test_simple_text")
        found["picture"] = await call("test_image_content")
        found["failing"] = await call("test_error_handling")
        found["wrong arguments"] = await call("test_sampling", {"prompt": 5})
        found["mirrored"] = await call("test_headers", {"region": "Zürich ", "query": "q"})
        found["logging"] = await call("test_tool_with_logging")
        found["progress"] = await call("test_tool_with_progress")
        found["elicitation"] = await call("test_elicitation", {"message": "Well?"})
        found["sampling"] = await call("test_sampling", {"prompt": "Capital?"})
        found["two rounds"] = await call("test_input_required_result_multi_round")
        try:
            await client.call_tool("no_such_tool", {})
        except MCPError as error:
            found["unknown tool"] = error.code
        prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        found["prompt"] = prompt.messages[0].content.text  # type: ignore[union-attr]
        resource = await client.read_resource("test://template/7/data")
        found["resource"] = json.loads(resource.contents[0].text)["id"]  # type: ignore[union-attr]
        found["changed"] = await changed(client, mode)
    return {**found, "logged": logged, "reported": progress}


async def changed(client: Client, mode: ConnectMode) -> list[str]:
    """Return the kinds of change that were heard, in the revision that has streams for that."""
    if mode == "legacy":
        return []
    heard: list[str] = []
    watched = "test://watched-resource"
    async with client.listen(tools_list_changed=True, resource_subscriptions=[watched]) as events:
        await client.call_tool("test_trigger_tool_change", {})
        async for event in events:
            heard.append(type(event).__name__)
            if len(heard) == 2:
                break
    return sorted(heard)


if __name__ == "__main__":
    url, *modes = sys.argv[1:]
    print(json.dumps({mode: asyncio.run(ask(url, mode)) for mode in modes}))
