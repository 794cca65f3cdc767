"""MCP endpoints of a running gateway: admission, configuration and reload."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.hookspecs import hookimpl
from antigravity.mcp.function_objects import Tool
from antigravity.testing.gateway import start_gateway
from antigravity.testing.responses import GatewayResponse

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}},
}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
CALL = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "wait"}}
BROKEN = {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "broken"}}
STRICT = '[proxy]\nauth_mode = "strict"\napi_key = "sk-right"\n'


class Plugin:
    """Two tools: one that waits, one that fails with a secret in its message."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[Any]] = []

    @hookimpl
    def register_mcp_tools(self, register: Callable[[object], None]) -> None:
        register(Tool("wait", "Waits.", self._wait))
        register(Tool("broken", "Fails.", self._fail))

    def _wait(self, arguments: Any, context: Any) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        self.waiting.append(waiting)
        return waiting

    def _fail(self, arguments: Any, context: Any) -> Any:
        raise ValueError("the secret is sk-hidden")


class McpTests(TestCase):
    """One gateway for each test."""

    async def start(self, config: str = "") -> None:
        self.plugin = Plugin()
        self.gateway = await start_gateway(
            reactor,
            Path(self.mktemp()),
            plugins=[("mine", self.plugin)],
            config=config,
            simulated=False,
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.gateway.stop()))

    async def post(self, body: object, path: str = "/mcp", **headers: str) -> GatewayResponse:
        return await self.gateway.request("POST", path, body, headers)

    async def session(self, **headers: str) -> dict[str, str]:
        opened = await self.post(INITIALIZE, **headers)
        self.assertEqual(opened.status, 200)
        return {"mcp-session-id": opened.headers["mcp-session-id"], **headers}

    async def test_every_form_of_api_key_is_accepted(self) -> None:
        await self.start(STRICT)
        for headers, path in (
            ({"authorization": "Bearer sk-right"}, "/mcp"),
            ({"x-api-key": "sk-right"}, "/mcp"),
            ({"x-goog-api-key": "sk-right"}, "/mcp"),
            ({}, "/mcp?key=sk-right"),
        ):
            self.assertEqual((await self.post(INITIALIZE, path, **headers)).status, 200)
        for headers in ({}, {"x-api-key": "sk-wrong"}):
            refused = await self.post(INITIALIZE, **headers)
            self.assertEqual(refused.status, 401)
            self.assertEqual(refused.json()["jsonrpc"], "2.0")
            self.assertIsNone(refused.json()["id"])
            self.assertIn("www-authenticate", refused.headers)

    async def test_session_belongs_to_its_api_key(self) -> None:
        await self.start()
        headers = await self.session(**{"x-api-key": "one"})
        self.assertEqual((await self.post(LIST, **headers)).status, 200)
        self.assertEqual((await self.post(LIST, **{**headers, "x-api-key": "two"})).status, 404)

    async def test_foreign_hosts_and_origins_are_refused(self) -> None:
        await self.start()
        for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
            refused = await self.post(INITIALIZE, **headers)
            self.assertEqual(refused.status, 403)
            self.assertIn("error", refused.json())

    async def test_large_body_is_refused_in_protocol_shape(self) -> None:
        await self.start("[proxy]\nmax_body_bytes = 1000\n")
        refused = await self.post({**LIST, "params": {"x": "x" * 2000}})
        self.assertEqual(refused.status, 413)
        self.assertEqual(refused.json()["jsonrpc"], "2.0")

    async def test_method_not_allowed_names_allowed_methods(self) -> None:
        await self.start()
        refused = await self.gateway.request("PUT", "/mcp", LIST)
        self.assertEqual(refused.status, 405)
        self.assertEqual(set(refused.headers["allow"].split(", ")), {"GET", "POST", "DELETE"})

    async def test_session_survives_reload(self) -> None:
        await self.start()
        headers = await self.session()
        names = {t["name"] for t in (await self.post(LIST, **headers)).json()["result"]["tools"]}
        self.assertLessEqual({"wait", "broken"}, names)
        running = Deferred.fromCoroutine(self.post(CALL, **headers))
        while not self.plugin.waiting:
            await self.pause()
        await self.gateway.reload('[plugins]\nblocked = ["mine"]\n')
        names = {t["name"] for t in (await self.post(LIST, **headers)).json()["result"]["tools"]}
        self.assertFalse({"wait", "broken"} & names)
        self.plugin.waiting[0].callback("still there")
        answer = await running
        self.assertEqual(answer.json()["result"]["content"][0]["text"], "still there")

    async def test_endpoint_follows_setting(self) -> None:
        await self.start()
        headers = await self.session()
        await self.gateway.reload("[mcp]\nenabled = false\n")
        self.assertEqual((await self.post(LIST, **headers)).status, 404)
        self.assertEqual((await self.gateway.request("GET", "/mcp")).status, 404)
        await self.gateway.reload("")
        self.assertEqual((await self.post(LIST, **headers)).status, 404)  # the session is over
        self.assertEqual((await self.post(INITIALIZE)).status, 200)

    async def test_shutdown_waits_for_running_calls(self) -> None:
        await self.start()
        headers = await self.session()
        running = Deferred.fromCoroutine(self.post(CALL, **headers))
        while not self.plugin.waiting:
            await self.pause()
        stopped = Deferred.fromCoroutine(self.gateway.stop())
        await self.pause(0.1)
        self.assertFalse(stopped.called)
        self.plugin.waiting[0].callback("in time")
        answer = await running
        self.assertEqual(answer.json()["result"]["content"][0]["text"], "in time")
        await stopped

    async def test_client_does_not_see_exception_of_plugin(self) -> None:
        await self.start()
        headers = await self.session()
        answer = await self.post(BROKEN, **headers)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertTrue(answer.json()["result"]["isError"])
        self.assertNotIn("hidden", json.dumps(answer.json()))

    async def test_trailing_slash_is_accepted(self) -> None:
        await self.start()
        self.assertEqual((await self.post(INITIALIZE, "/mcp/")).status, 200)

    async def pause(self, seconds: float = 0.01) -> None:
        pausing: Deferred[None] = Deferred()
        reactor.callLater(seconds, pausing.callback, None)  # type: ignore[attr-defined]
        await pausing
