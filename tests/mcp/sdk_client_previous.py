"""Do the same with the client's previous major version: ``sdk_client_previous.py URL``."""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import Any

from mcp import ClientSession, McpError, types
from mcp.client.streamable_http import streamablehttp_client

warnings.simplefilter("ignore")


async def elicit(context: Any, params: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"name": "Ada", "response": "yes"})


async def sample(context: Any, params: Any) -> types.CreateMessageResult:
    content = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="m")


async def ask(url: str) -> dict[str, Any]:
    """Return what was answered."""
    logged: list[Any] = []
    progress: list[float] = []
    changes: list[str] = []

    async def log(params: Any) -> None:
        logged.append(params.data)

    async def hear(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    async def notice(message: Any) -> None:
        if isinstance(message, types.ServerNotification):
            changes.append(message.root.method)

    async with (
        streamablehttp_client(url) as (reads, writes, session_id),
        ClientSession(
            reads,
            writes,
            elicitation_callback=elicit,
            sampling_callback=sample,
            logging_callback=log,
            message_handler=notice,
        ) as client,
    ):
        started = await client.initialize()
        tools = await client.list_tools()
        found: dict[str, Any] = {
            "revision": started.protocolVersion,
            "session": bool(session_id()),
            "tools": sorted(tool.name for tool in tools.tools),
        }

        async def call(name: str, arguments: dict[str, Any] | None = None) -> Any:
            result = await client.call_tool(name, arguments or {}, progress_callback=hear)
            return [result.isError, [getattr(c, "text", c.type) for c in result.content]]

        found["simple"] = await call("test_simple_text")
        found["failing"] = await call("test_error_handling")
        found["progress"] = await call("test_tool_with_progress")
        found["elicitation"] = await call("test_elicitation", {"message": "Well?"})
        found["sampling"] = await call("test_sampling", {"prompt": "Capital?"})
        found["reconnection"] = await call("test_reconnection")
        await client.set_logging_level("error")
        found["quiet"] = await call("test_tool_with_logging")
        await client.set_logging_level("info")
        found["logging"] = await call("test_tool_with_logging")
        await client.subscribe_resource("test://watched-resource")  # type: ignore[arg-type]
        await call("test_trigger_tool_change")
        for _ in range(1200):
            if len([one for one in changes if "changed" in one or "updated" in one]) >= 2:
                break
            await asyncio.sleep(0.05)
        found["tasks"] = await use_tasks(client)
        await client.send_ping()
        try:
            await client.call_tool("no_such_tool", {})
        except McpError as error:
            found["unknown tool"] = error.error.code
    found["changed"] = sorted({one for one in changes if "changed" in one or "updated" in one})
    return {**found, "logged": logged, "reported": progress}


async def use_tasks(client: ClientSession) -> list[Any]:
    """Return the ends of a task that completes, one that asks, and one that is cancelled."""
    tasks = client.experimental
    found: list[Any] = []
    for name in ("slow_compute", "confirm_delete"):
        created = await tasks.call_tool_as_task(name, {})
        id_ = created.task.taskId
        while (await tasks.get_task(id_)).status == "working":
            await asyncio.sleep(0.05)
        result = await tasks.get_task_result(id_, types.CallToolResult)
        found.append([(await tasks.get_task(id_)).status, getattr(result.content[0], "text", "")])
    created = await tasks.call_tool_as_task("slow_compute", {"seconds": 60})
    await tasks.cancel_task(created.task.taskId)
    found.append((await tasks.get_task(created.task.taskId)).status)
    found.append(len((await tasks.list_tasks()).tasks) >= 3)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(sys.argv[1]))))
