"""The gateway's own MCP tools: who may call them, and what they say, with the official client."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from antigravity.interfaces.ledger import RequestPage, RequestSummary, Tokens
from antigravity.mcp.gateway_tools.answers import masked, requests_result
from antigravity.mcp.gateway_tools.tools import gateway_tools
from antigravity.testing.gateway import start_gateway
from antigravity.web.authentication import principal_of
from tests.service.account_fixture import MODEL
from tests.support.mcp_processes import asked

reactor: Any = default_reactor
ADMIN, ALLOWED, OTHER = "sk-admin", "sk-allowed", "sk-other"
SCRIPT = "sdk_client_gateway_tools"
NAMES = ["gateway_explain", "gateway_requests", "gateway_status", "gateway_usage"]
ON = f"[plugins.gateway-tools]\nenabled = true\nkeys = ['{principal_of(ALLOWED)}']\n"
DOOR = f"[proxy]\nadmin_key = '{ADMIN}'\n"
STRICT = f"{DOOR}auth_mode = 'strict'\napi_key = '{OTHER}'\n"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}},
}


class GatewayToolTests(TestCase):
    timeout = 120

    async def start(self, config: str) -> None:
        self.gateway = await start_gateway(reactor, Path(self.mktemp()), config=config)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.gateway.stop()))

    async def tools(self, key: str, **headers: str) -> list[str]:
        """Return the names of the tools that the holder of a key sees, with a session."""
        sent = {"x-api-key": key, **headers} if key else headers
        opened = await self.gateway.request("POST", "/mcp", INITIALIZE, sent)
        if opened.status != 200:
            return [str(opened.status)]
        session = {**sent, "mcp-session-id": opened.headers["mcp-session-id"]}
        body = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        listed = await self.gateway.request("POST", "/mcp", body, session)
        names = sorted(tool["name"] for tool in listed.json()["result"]["tools"])
        call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call"}
        for name in NAMES:
            params = {"name": name, "arguments": {"model": MODEL} if "explain" in name else {}}
            answer = await self.gateway.request("POST", "/mcp", {**call, "params": params}, session)
            self.assertEqual("result" in answer.json(), name in names, answer.body)
            if name not in names:
                self.assertEqual(answer.json()["error"]["code"], -32602)
        return names

    async def test_only_operator_and_allowed_keys_see_and_call_tools(self) -> None:
        await self.start(DOOR + ON)
        self.assertEqual(await self.tools(ADMIN), NAMES)
        self.assertEqual(await self.tools(ALLOWED), NAMES)
        for key in (OTHER, "", principal_of(ADMIN), principal_of(ALLOWED)):
            self.assertEqual(await self.tools(key), [], key)

    async def test_admin_key_is_valid_at_mcp_only(self) -> None:
        await self.start(STRICT + ON)
        self.assertEqual(await self.tools(ADMIN), NAMES)
        self.assertEqual(await self.tools(OTHER), [])
        self.assertEqual(await self.tools("sk-wrong"), ["401"])
        key = {"x-api-key": ADMIN}
        self.assertEqual((await self.gateway.request("GET", "/v1/models", None, key)).status, 401)

    async def test_nobody_is_operator_without_admin_key(self) -> None:
        await self.start("[plugins.gateway-tools]\nenabled = true\n")
        for key in ("", ADMIN):
            self.assertEqual(await self.tools(key), [])

    async def test_tools_are_off_by_default(self) -> None:
        await self.start(DOOR)
        self.assertEqual(await self.tools(ADMIN), [])
        await self.gateway.reload(DOOR + ON)
        self.assertEqual(await self.tools(ADMIN), NAMES)
        await self.gateway.reload(DOOR + ON.replace(principal_of(ALLOWED), principal_of(OTHER)))
        self.assertEqual(await self.tools(ALLOWED), [])
        self.assertEqual(await self.tools(OTHER), NAMES)

    async def test_wrong_settings_are_reported(self) -> None:
        await self.start(DOOR + "[plugins.gateway-tools]\nenabled = true\nkeys = ['sk-key']\n")
        self.assertEqual(await self.tools(ADMIN), [])
        (problem,) = self.gateway.plugins.problems
        self.assertEqual(problem.plugin, "gateway-tools")

    @pytest.mark.usefixtures("with_sdks")
    async def test_official_client_learns_why_a_request_failed(self) -> None:
        pytest.importorskip("mcp")
        await self.start(DOOR + ON)
        for text in ("hi", "[[error 400]] write to ada@example.org"):
            body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
            await self.gateway.request("POST", "/v1/chat/completions", body)
        for mode in ("2026-07-28", "legacy"):
            url = f"{self.gateway.url}/mcp?key={ADMIN}"
            found = await deferToThread(asked, sys.executable, SCRIPT, url, mode)
            self.assertEqual(found["tools"], NAMES)
            self.assertEqual(found["annotations"], [True] * 4)
            self.assertTrue(found["status"]["accounts"])
            self.assertEqual(found["status"]["ledger"]["problem"], "")
            self.assertGreaterEqual(found["usage"]["total"]["requests"], 2)
            self.assertIn(MODEL, {row.get("model") for row in found["usage"]["rows"]})
            newest, older = found["first"]["requests"][0], found["second"]["requests"][0]
            self.assertGreater(newest["time"], older["time"])
            failed = found["failed"]["requests"][0]
            self.assertEqual((failed["outcome"], failed["status"]), ("error", 400))
            explained = found["request"]["request"]
            self.assertEqual(explained["request"]["id"], failed["id"])
            self.assertEqual(explained["attempts"][0]["status"], 400)
            self.assertTrue(found["model"]["model"]["accounts"])
            for answer in found["wrong"]:
                self.assertIn("error", answer)
            text = json.dumps(found)
            for secret in ("ada@example.org", ADMIN, str(self.gateway._home)):
                self.assertNotIn(secret, text)

    @pytest.mark.usefixtures("with_sdks")
    async def test_official_client_without_rights_gets_unknown_tool(self) -> None:
        pytest.importorskip("mcp")
        await self.start(DOOR + ON)
        url = f"{self.gateway.url}/mcp?key={OTHER}"
        found = await deferToThread(asked, sys.executable, SCRIPT, url, "legacy")
        self.assertEqual((found["tools"], found["status"]), ([], {"code": -32602}))

    async def test_unreadable_ledger_is_an_error_without_paths(self) -> None:
        await self.start(f"{DOOR}{ON}[ledger]\nenabled = false\n")
        session = {"x-api-key": ADMIN}
        opened = await self.gateway.request("POST", "/mcp", INITIALIZE, session)
        session["mcp-session-id"] = opened.headers["mcp-session-id"]
        params = {"name": "gateway_usage", "arguments": {}}
        body = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
        answer = (await self.gateway.request("POST", "/mcp", body, session)).json()["result"]
        self.assertTrue(answer["isError"])
        self.assertIn("ledger", answer["content"][0]["text"])


def test_results_are_short_and_masked() -> None:
    tools = gateway_tools({"enabled": True})
    assert sorted(tool.name for tool in tools) == NAMES
    assert gateway_tools({}) == gateway_tools({"enabled": False}) == []
    for tool in tools:
        assert tool.output_schema["type"] == tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
    assert masked("for ada.l+x@mail.example.org: no") == "for ***@mail.example.org: no"
    assert len(masked("x" * 10_000)) <= 501
    summary = RequestSummary(
        "req_1", "2026", "mcp", "call_tool", False, "m", "m", "u", "a", "c", "k", "secret-session",
        "error", 400, "ServerError: ada@example.org " + "y" * 2000, 1, 1.0, None, 0.0, Tokens(),
        None, None, None, None,
    )  # fmt: skip
    (found,) = requests_result(RequestPage([summary], None, None)).requests
    assert found.session is None
    assert found.error is not None
    assert "ada" not in found.error
    assert len(found.error) <= 501
