"""Thinking in passed-through responses is stored for clients that drop it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import treq
from msgspec.structs import replace
from twisted.internet import reactor as default_reactor
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret
from antigravity.config.settings import OAuthSettings, ProxySettings, Settings, UpstreamSettings
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator
from antigravity.simulator.signatures import parse_signature

reactor: Any = default_reactor
CLAUDE = "claude-sonnet-4-6"
GEMINI = "gemini-3-pro-preview"
DIRECTIVES = '[[think hm]] [[tool get_weather {"city": "Rome"}]]'
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


class PassedSignatureTests(TestCase):
    async def start(self, **upstreams: UpstreamSettings) -> None:
        """Start a simulator, and a gateway that has one upstream after the other there."""
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        address = f"http://127.0.0.1:{port.getHost().port}"
        oauth = OAuthSettings("client", Secret("secret"), f"{address}/token")
        self.upstreams = {
            "anthropic": UpstreamSettings("anthropic", base_url=address, api_key=Secret("k")),
            "gemini": UpstreamSettings("gemini_api", base_url=address, api_key=Secret("k")),
            "codeassist": UpstreamSettings(
                "codeassist", base_url=address, oauth=oauth, refresh_token=Secret("token")
            ),
        }
        home = Path(self.mktemp())
        prepare_home(home)
        self.plugins = PluginHost()
        self.plugins.load(installed=False)
        self.settings = Settings(ProxySettings(listen=["tcp:0:interface=127.0.0.1"]))
        self.serve("anthropic")
        self.gateway = Gateway(
            reactor,
            self.settings,
            home,
            self.plugins,
            configure=lambda _: LoadedConfiguration(self.settings, self.plugins),
        )
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    def serve(self, name: str) -> None:
        """Let one upstream serve everything, from the next reload on."""
        self.settings = replace(self.settings, upstreams={name: self.upstreams[name]})

    async def change_to(self, name: str) -> None:
        self.serve(name)
        await self.gateway.reload()

    async def post(self, path: str, body: object) -> str:
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        url = f"http://127.0.0.1:{port}{path}"
        response = await treq.post(url, json=body, persistent=False)
        text = await response.text()
        self.assertEqual(response.code, 200, text)
        return str(text)

    async def messages(self, *messages: object, stream: bool) -> str:
        body = {
            "model": CLAUDE,
            "max_tokens": 4000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
            "messages": [{"role": "user", "content": DIRECTIVES}, *messages],
            "stream": stream,
        }
        return await self.post("/v1/messages", body)

    async def go_on_at_claude_elsewhere(self, *, stream: bool) -> None:
        """Call a tool; go on, without the thinking, where the same model is behind Google."""
        await self.start()
        text = await self.messages(stream=stream)
        self.assertEqual(self.simulator.log[-1].path, "/v1/messages")
        if stream:
            events = [json.loads(line[6:]) for line in text.splitlines() if line[:6] == "data: "]
            blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
        else:
            blocks = json.loads(text)["content"]
        (call,) = (block for block in blocks if block["type"] == "tool_use")
        await self.change_to("codeassist")
        self.simulator.log.clear()
        await self.messages(
            {"role": "assistant", "content": [{**call, "input": {"city": "Rome"}}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}],
            },
            stream=stream,
        )
        asked = [each for each in self.simulator.log if "enerateContent" in each.path]
        self.assertEqual(len(asked), 1, "nothing had to be repaired")
        (thought,) = [
            part
            for content in asked[0].body["request"]["contents"]
            for part in content["parts"]
            if part.get("thought")
        ]
        self.assertEqual(thought["text"], "hm")
        self.assertIsNotNone(parse_signature(thought["thoughtSignature"]), "it is the model's own")

    async def test_thinking_of_anthropic_stream_is_stored(self) -> None:
        await self.go_on_at_claude_elsewhere(stream=True)

    async def test_thinking_of_whole_anthropic_response_is_stored(self) -> None:
        await self.go_on_at_claude_elsewhere(stream=False)

    async def generate(self, verb: str, *contents: object) -> str:
        user = {"role": "user", "parts": [{"text": DIRECTIVES}]}
        declaration = {"name": "get_weather", "parametersJsonSchema": SCHEMA}
        body = {
            "contents": [user, *contents],
            "tools": [{"functionDeclarations": [declaration]}],
        }
        return await self.post(f"/v1beta/models/{GEMINI}:{verb}", body)

    async def go_on_with_gemini(self, verb: str) -> None:
        """Call a tool; go on with a history whose client knows no signatures."""
        await self.start()
        await self.change_to("gemini")
        text = await self.generate(verb)
        chunks = [json.loads(line[6:]) for line in text.splitlines() if line[:6] == "data: "]
        chunks = chunks or [json.loads(text)]
        (part,) = (
            part
            for chunk in chunks
            for candidate in chunk.get("candidates", ())
            for part in candidate["content"]["parts"]
            if "functionCall" in part
        )
        call = part["functionCall"]
        answer = {"name": call["name"], "id": call["id"], "response": {"result": "sunny"}}
        await self.generate(
            verb,
            {"role": "model", "parts": [{"functionCall": call}]},
            {"role": "user", "parts": [{"functionResponse": answer}]},
        )
        body = self.simulator.log[-1].body
        (sent,) = (
            part
            for content in body["contents"]
            for part in content["parts"]
            if "functionCall" in part
        )
        self.assertEqual(sent["thoughtSignature"], part["thoughtSignature"])

    async def test_thinking_of_gemini_stream_is_stored(self) -> None:
        await self.go_on_with_gemini("streamGenerateContent?alt=sse")

    async def test_thinking_of_whole_gemini_response_is_stored(self) -> None:
        await self.go_on_with_gemini("generateContent")
