"""Other MCP servers on the network behind the gateway: the official SDK's, our own, z.ai's."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from antigravity.hookspecs import hookimpl
from antigravity.interfaces.mcp_values import ToolError
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.client import federated_server
from antigravity.mcp.function_objects import Tool
from antigravity.testing.gateway import start_gateway
from tests.support import sdks

SDK_SERVER = Path(__file__).parents[1] / "support" / "sdk_mcp_server.py"
ADMIN = {"authorization": "Bearer sk-admin"}
REGION = {"type": "string", "x-mcp-header": "Region"}


class RemoteTests(TestCase):
    """One gateway, and servers that it is connected to."""

    timeout = 120

    async def start(self, config: str) -> None:
        self.patch(federated_server, "FIRST_PAUSE", 0.1)
        self.gateway = await start_gateway(
            reactor, Path(self.mktemp()), config=self.config(config), simulated=False
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.gateway.stop()))

    def config(self, config: str) -> str:
        return f'[proxy]\nadmin_key = "sk-admin"\n{config}'

    async def until_ready(self, revision: str) -> None:
        deadline = time.monotonic() + 60
        while True:
            answer = await self.gateway.request("GET", "/admin/status", None, ADMIN)
            (status,) = answer.json()["mcp"]["servers"]
            if status["state"] == "ready":
                self.assertEqual(status["revision"], revision)
                return
            assert time.monotonic() < deadline, status
            await deferLater(reactor, 0.05)

    async def call(self, name: str, **arguments: Any) -> Any:
        params = {"name": name, "arguments": arguments}
        return await self.gateway.mcp("tools/call", params)

    async def tools(self) -> set[str]:
        result = await self.gateway.mcp("tools/list")
        return {tool["name"] for tool in result["tools"]}


class SdkTests(RemoteTests):
    """A server made with the official SDK, in a process of its own."""

    def setUp(self) -> None:
        if not sdks.are_installed():
            sdks.skip()

    async def check(self) -> None:
        self.assertLessEqual({"s__add", "s__count", "s__fail"}, await self.tools())
        added = await self.call("s__add", a=40, b=2)
        self.assertEqual(added["content"][0]["text"], "42")
        failed = await self.call("s__fail")
        self.assertTrue(failed["isError"])
        self.assertIn("fail", failed["content"][0]["text"])
        wrong = await self.call("s__add", a="x")
        self.assertTrue(wrong["isError"])
        read = await self.gateway.mcp("resources/read", {"uri": "sdk://item/7"})
        self.assertEqual(read["contents"][0]["text"], "item 7")
        prompt = await self.gateway.mcp(
            "prompts/get", {"name": "s__greet", "arguments": {"who": "Ada"}}
        )
        self.assertEqual(prompt["messages"][0]["content"]["text"], "Greet Ada.")

    async def test_sdk_server_over_stdio(self) -> None:
        arguments = json.dumps([str(SDK_SERVER), "stdio"])
        await self.start(
            f"[mcp.servers.s]\ncommand = {json.dumps(sys.executable)}\nargs = {arguments}\n"
        )
        await self.until_ready("2026-07-28")
        await self.check()

    async def test_sdk_server_over_http(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port, number = listening.getsockname()[1], listening.fileno()
            command = [sys.executable, SDK_SERVER, str(number)]
            server = subprocess.Popen(command, pass_fds=[number])
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        await self.start(f'[mcp.servers.s]\nurl = "http://127.0.0.1:{port}/mcp"\n')
        await self.until_ready("2026-07-28")
        await self.check()


class Plugin:
    """The tools of another gateway."""

    def __init__(self) -> None:
        self.catalog = Catalog()
        self.seen: list[Any] = []
        self.waited = 0
        self.cancelled = 0
        schema = {"type": "object", "properties": {"region": REGION}}
        self.catalog.set_tools(
            [
                Tool("region", "Says where.", self._say, schema),
                Tool("wait", "Waits.", self._wait),
                Tool("refuse", "Refuses.", self._refuse),
                Tool("ask", "Asks.", self._ask),
            ]
        )

    @hookimpl
    def register_mcp_catalogs(self, register: Callable[[object], None]) -> None:
        register(self.catalog)

    def _say(self, arguments: dict[str, Any], context: Any) -> str:
        self.seen.append(context)
        context.log("warning", "from afar")
        return str(arguments.get("region"))

    def _wait(self, arguments: dict[str, Any], context: Any) -> Deferred[Any]:
        def cancelled(_: Any) -> None:
            self.cancelled += 1

        self.waited += 1
        return Deferred(cancelled)

    def _refuse(self, arguments: dict[str, Any], context: Any) -> Any:
        raise ToolError("Not today.")

    async def _ask(self, arguments: dict[str, Any], context: Any) -> str:
        answer = await context.elicit("Who?", {"type": "object", "properties": {}})
        return str(answer["action"])


class OtherGatewayTests(RemoteTests):
    """Another gateway as a server: the stateless revision over HTTP."""

    async def pair(self) -> None:
        self.plugin = Plugin()
        self.other = await start_gateway(
            reactor,
            Path(self.mktemp()),
            plugins=[("other", self.plugin)],
            config='[proxy]\nauth_mode = "strict"\napi_key = "sk-other"\n',
            simulated=False,
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.other.stop()))
        await self.start(f'[mcp.servers.o]\nurl = "{self.other.url}/mcp"\napi_key = "sk-other"\n')
        await self.until_ready("2026-07-28")

    async def test_tools_are_called_with_configured_key(self) -> None:
        await self.pair()
        self.assertEqual(await self.tools(), {"o__region", "o__wait", "o__refuse", "o__ask"})
        refused = await self.call("o__refuse")
        self.assertEqual(refused["content"][0]["text"], "Not today.")

    async def test_arguments_are_repeated_in_headers(self) -> None:
        await self.pair()
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}},
        }
        opened = await self.gateway.request("POST", "/mcp", message)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        for region in ("eu", "Zürich ", "=?base64?x?="):
            call = {
                "jsonrpc": "2.0",
                "id": 2,
                "method": "tools/call",
                "params": {"name": "o__region", "arguments": {"region": region}},
            }
            answer = await self.gateway.request("POST", "/mcp", call, session)
            self.assertEqual(answer.json()["result"]["content"][0]["text"], region)
        self.assertEqual(self.plugin.seen[-1].revision, "2026-07-28")

    async def test_list_changes_are_forwarded(self) -> None:
        await self.pair()
        self.plugin.catalog.add_tool(Tool("late", "Came late.", lambda a, c: "late"))
        deadline = time.monotonic() + 60
        while "o__late" not in await self.tools():
            assert time.monotonic() < deadline
            await deferLater(reactor, 0.05)
        self.assertEqual((await self.call("o__late"))["content"][0]["text"], "late")

    async def test_disconnected_client_cancels_remote_call(self) -> None:
        await self.pair()
        calling = Deferred.fromCoroutine(self.call("o__wait"))
        calling.addErrback(lambda failure: None)
        deadline = time.monotonic() + 60
        while not self.plugin.waited:
            assert time.monotonic() < deadline
            await deferLater(reactor, 0.02)
        self.assertEqual(self.plugin.cancelled, 0)
        calling.cancel()
        while not self.plugin.cancelled:
            assert time.monotonic() < deadline
            await deferLater(reactor, 0.02)

    async def test_server_is_used_again_after_outage(self) -> None:
        await self.pair()
        url = self.other.url
        await self.other.stop()
        away = await self.call("o__refuse")
        self.assertTrue(away["isError"])
        self.assertIn("cannot be reached", away["content"][0]["text"])
        self.assertIn("o__region", await self.tools())
        self.assertNotIn("sk-other", json.dumps(away) + url)


class ZaiTests(RemoteTests):
    """A server with sessions over HTTP, as z.ai runs them."""

    async def pair(self, key: str = "zai-key") -> None:
        self.remote = await start_gateway(reactor, Path(self.mktemp()))
        self.addCleanup(lambda: Deferred.fromCoroutine(self.remote.stop()))
        url = f"{self.remote.simulator_url}/api/mcp/web_search_prime/mcp"
        await self.start(f'[mcp.servers.z]\nurl = "{url}"\napi_key = "{key}"\n')

    async def test_zai_tool_is_called(self) -> None:
        await self.pair()
        await self.until_ready("2025-11-25")
        found = await self.call("z__webSearchPrime", search_query="otters")
        self.assertIn("otters", found["content"][0]["text"])

    async def test_lost_session_is_reopened_for_same_call(self) -> None:
        await self.pair()
        await self.until_ready("2025-11-25")
        state = self.remote.simulator.state
        state.sessions = type(state.sessions)()
        found = await self.call("z__webSearchPrime", search_query="otters")
        self.assertFalse(found["isError"], found)

    async def test_refused_key_is_logged(self) -> None:
        await self.pair("bad-key")
        deadline = time.monotonic() + 60
        while True:
            answer = await self.gateway.request("GET", "/admin/status", None, ADMIN)
            (status,) = answer.json()["mcp"]["servers"]
            if status["state"] == "waiting":
                break
            assert time.monotonic() < deadline
            await deferLater(reactor, 0.05)
        self.assertIn("rejected the key", status["reason"])
        self.assertNotIn("bad-key", json.dumps(status))
