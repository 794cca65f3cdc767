"""z.ai's MCP tools in a running gateway: reload, keys and separate sessions."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.app.demo import demo_settings
from antigravity.config.mcp_settings import ZaiMcpSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings, ZaiSettings
from antigravity.testing.gateway import start_gateway
from antigravity.testing.responses import GatewayResponse

SEARCH, READER, VISION = (
    "/mcp/web_search_prime/mcp",
    "/mcp/web_reader/mcp",
    "/mcp/zai-mcp-server/mcp",
)
BOTH = {"accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {}},
}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
SEARCHING = {
    "jsonrpc": "2.0",
    "id": 3,
    "method": "tools/call",
    "params": {"name": "webSearchPrime", "arguments": {"search_query": "otters"}},
}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 50
PICTURE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def message(answer: GatewayResponse) -> Any:
    """Return the one message in an answer, whole or streamed."""
    if "event-stream" in answer.headers.get("content-type", ""):
        (found,) = answer.chunks()
        return found
    return answer.json()


def test_demo_has_zai_tools_only() -> None:
    tools = ZaiMcpSettings(enabled=True, vision_enabled=True)
    zai = ZaiSettings(True, api_key=Secret("k"), dispatch_mode="exclusive", mcp=tools)
    shown = demo_settings(Settings(ProxySettings(zai=zai)), "http://simulator").proxy.zai
    assert shown == ZaiSettings(api_key=Secret("k"), mcp=tools)


class ZaiToolsTests(TestCase):
    """One gateway, and the simulator as z.ai."""

    async def start(self, *switches: str, **more: str) -> None:
        self.gateway = await start_gateway(reactor, Path(self.mktemp()))
        self.addCleanup(lambda: Deferred.fromCoroutine(self.gateway.stop()))
        await self.reload(*switches, **more)
        self.gateway.simulator.state.log.clear()

    async def reload(
        self, *switches: str, key: str = "zai-key", vision: str = "", proxy: str = ""
    ) -> None:
        base = self.gateway.simulator_url
        on = "".join(f"{switch}_enabled = true\n" for switch in switches)
        await self.gateway.reload(
            f'[proxy]\n{proxy}\n[proxy.zai]\napi_key = "{key}"\n'
            f"[proxy.zai.mcp]\nenabled = {'true' if switches else 'false'}\n{on}"
            f'web_search_url = "{base}/api/mcp/web_search_prime/mcp"\n'
            f'web_reader_url = "{base}/api/mcp/web_reader/mcp"\n'
            f'[mcp.vision]\nzai_url = "{base}/api/paas/v4/chat/completions"\n{vision}'
        )

    async def post(self, path: str, body: object, **headers: str) -> GatewayResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.gateway.request("POST", path, body, BOTH | named)

    async def session(self, path: str, key: str = "") -> dict[str, str]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        opened = await self.post(path, INITIALIZE, **headers)
        self.assertEqual(opened.status, 200, opened.body)
        return {**headers, "mcp_session_id": opened.headers["mcp-session-id"]}

    @property
    def seen(self) -> Any:
        """The last request for a tool or a model; others come from the gateway's own rounds."""
        log = self.gateway.simulator.state.log
        wanted = ("/api/mcp/", "chat/completions", "enerateContent", "/messages")
        return next(e for e in reversed(log) if any(word in e.path for word in wanted))

    async def test_disabled_endpoint_is_404_and_follows_reload(self) -> None:
        await self.start()
        on: dict[str, set[str]] = {
            "": set(),
            "web_search": {SEARCH},
            "web_reader": {READER},
            "vision": {VISION},
        }
        for switch, paths in on.items():
            await self.reload(*filter(None, [switch]))
            for path in (SEARCH, READER, VISION):
                answer = await self.post(path, INITIALIZE)
                self.assertEqual(answer.status, 200 if path in paths else 404, (switch, path))

    async def test_search_is_sent_with_configured_key(self) -> None:
        await self.start("web_search", "web_reader")
        session = await self.session(SEARCH, key="client-key")
        self.assertEqual(self.seen.headers["authorization"], "Bearer zai-key")
        tools = message(await self.post(SEARCH, LIST, **session))["result"]["tools"]
        self.assertEqual([tool["name"] for tool in tools], ["webSearchPrime"])
        found = message(await self.post(SEARCH, SEARCHING, **session))["result"]
        self.assertIn("otters", found["content"][0]["text"])
        self.assertNotIn("client-key", json.dumps(self.seen.headers))
        self.assertNotIn(session["mcp_session_id"], json.dumps(self.seen.headers))

    async def test_session_belongs_to_its_api_key(self) -> None:
        await self.start("web_search")
        session = await self.session(SEARCH, key="alice")
        stolen = {**session, "authorization": "Bearer bob"}
        refused = await self.post(SEARCH, LIST, **stolen)
        self.assertEqual(refused.status, 404)
        self.assertEqual((await self.post(SEARCH, LIST, **session)).status, 200)
        ended = await self.gateway.request(
            "DELETE",
            SEARCH,
            None,
            {"authorization": "Bearer alice", "mcp-session-id": session["mcp_session_id"]},
        )
        self.assertEqual(ended.status, 200)
        self.assertEqual((await self.post(SEARCH, LIST, **session)).status, 404)

    async def test_session_survives_reload(self) -> None:
        await self.start("web_search")
        session = await self.session(SEARCH)
        await self.reload("web_search", "vision", key="other-key")
        self.assertEqual((await self.post(SEARCH, LIST, **session)).status, 200)
        self.assertEqual(self.seen.headers["authorization"], "Bearer other-key")

    async def test_refused_zai_key_is_not_reported_as_client_key(self) -> None:
        await self.start("web_search", key="bad-key")
        refused = await self.post(SEARCH, INITIALIZE)
        self.assertEqual(refused.status, 503)
        self.assertNotIn(b"bad-key", refused.body)
        self.assertNotIn("www-authenticate", refused.headers)

    async def test_endpoints_require_api_key(self) -> None:
        await self.start("web_search", "vision", proxy='auth_mode = "strict"\napi_key = "sk-right"')
        for path in (SEARCH, VISION):
            self.assertEqual((await self.post(path, INITIALIZE)).status, 401)
            right = await self.post(path, INITIALIZE, authorization="Bearer sk-right")
            self.assertEqual(right.status, 200)
        self.assertEqual(
            self.gateway.simulator.state.log[-1].headers["authorization"][:6], "Bearer"
        )

    async def look(self, **arguments: str) -> Any:
        params = {
            "name": "analyze_image",
            "arguments": {"image_source": PICTURE, "prompt": "[[say A cat.]]", **arguments},
        }
        return await self.gateway.mcp("tools/call", params, VISION)

    async def test_vision_tool_uses_zai(self) -> None:
        await self.start("vision")
        found = await self.look()
        self.assertEqual(found["content"], [{"type": "text", "text": "A cat."}])
        self.assertEqual(self.seen.path, "/api/paas/v4/chat/completions")
        self.assertEqual(self.seen.body["model"], "glm-4.6v")
        self.assertEqual(self.seen.headers["authorization"], "Bearer zai-key")

    async def test_vision_tool_uses_model_of_pool(self) -> None:
        await self.start("vision", vision='model = "gemini-2.5-flash"')
        found = await self.look()
        self.assertEqual(found["content"], [{"type": "text", "text": "A cat."}])
        self.assertEqual(found["isError"], False)
        self.assertNotIn("/api/paas", self.seen.path)
        self.assertIn(base64.b64encode(PNG).decode(), json.dumps(self.seen.body))

    async def test_vision_tool_names_model_without_vision(self) -> None:
        await self.start("vision", vision='model = "claude-sonnet-5"')
        params = {
            "name": "analyze_video",
            "arguments": {
                "video_source": "data:video/mp4;base64,"
                + base64.b64encode(b"\0\0\0\x20ftypisom" + b"\0" * 50).decode(),
                "prompt": "p",
            },
        }
        found = await self.gateway.mcp("tools/call", params, VISION)
        self.assertTrue(found["isError"])
        self.assertIn("mcp.vision.model", found["content"][0]["text"])

    async def test_files_outside_roots_are_refused(self) -> None:
        root = Path(self.mktemp()).absolute()
        root.mkdir()
        (root / "a.png").write_bytes(PNG)
        (root / "out.png").symlink_to("/etc/hostname")
        await self.start("vision")
        refused = await self.look(image_source=str(root / "a.png"))
        self.assertTrue(refused["isError"])
        await self.reload("vision", vision=f"roots = [{json.dumps(str(root))}]")
        found = await self.look(image_source=str(root / "a.png"))
        self.assertEqual(found["content"][0]["text"], "A cat.")
        for path in (root / "out.png", "/etc/hostname", f"{root}/../x"):
            self.assertTrue((await self.look(image_source=str(path)))["isError"])

    async def test_private_addresses_are_not_fetched(self) -> None:
        await self.start("vision")
        found = await self.look(image_source=f"{self.gateway.simulator_url}/healthz")
        self.assertTrue(found["isError"])
        self.assertIn("media.allowed_hosts", found["content"][0]["text"])
