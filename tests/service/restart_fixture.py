"""A gateway that is restarted, and a simulator that is not."""

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
from antigravity.config.settings import (
    ProxySettings,
    Settings,
    SignaturesSettings,
    UpstreamSettings,
)
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator

reactor: Any = default_reactor
MODEL = "gemini-3-pro-preview"
SENTINEL = "skip_thought_signature_validator"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
USER = {"role": "user", "content": '[[think hm]] [[tool get_weather {"city": "Rome"}]]'}


class RestartCase(TestCase):
    """A tool loop, and a gateway that can be started and stopped between its turns."""

    async def setUp(self) -> None:  # type: ignore[override]
        """Start a simulator; gateways come and go."""
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        address = f"http://127.0.0.1:{port.getHost().port}"
        self.settings = Settings(
            ProxySettings(listen=["tcp:0:interface=127.0.0.1"]),
            {
                "google": UpstreamSettings("gemini_api", base_url=address, api_key=Secret("k")),
                "chat": UpstreamSettings(
                    "openai",
                    base_url=f"{address}/v1",
                    api_key=Secret("k"),
                    models=["gpt-5.1"],
                    apis=["chat"],
                ),
            },
        )
        self.gateway: Gateway | None = None
        self.addCleanup(self.stop)

    async def start(self, **signatures: Any) -> None:
        plugins = PluginHost()
        plugins.load(installed=False)
        settings = replace(self.settings, signatures=SignaturesSettings(**signatures))
        self.next = settings
        self.gateway = Gateway(
            reactor,
            settings,
            self.home,
            plugins,
            configure=lambda _: LoadedConfiguration(self.next, plugins),
        )
        await self.gateway.startService()

    async def stop(self) -> None:
        gateway, self.gateway = self.gateway, None
        if gateway is not None:
            await gateway.stopService()

    async def restart(self, **signatures: Any) -> None:
        await self.stop()
        await self.start(**signatures)

    async def post(self, path: str, body: object) -> Any:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        url = f"http://127.0.0.1:{port}{path}"
        response = await treq.post(url, json=body, persistent=False)
        text = await response.text()
        self.assertEqual(response.code, 200, text)
        self.headers = response.headers
        return text if text.startswith("event:") else json.loads(text)

    async def chat(self, *messages: object) -> Any:
        body = {"model": MODEL, "messages": [USER, *messages], "tools": [TOOL]}
        answer = await self.post("/v1/chat/completions", body)
        return answer["choices"][0]["message"]

    async def called(self) -> Any:
        """Return the message of the assistant with its call, as such a client keeps it."""
        message = await self.chat()
        (call,) = message["tool_calls"]
        kept = {name: call[name] for name in ("id", "type", "function")}
        return {"role": "assistant", "content": None, "tool_calls": [kept]}

    async def sent_signature(self, message: Any) -> str:
        """Go on with the result of the call; return the signature that goes up with it."""
        result = {
            "role": "tool",
            "tool_call_id": message["tool_calls"][0]["id"],
            "content": "sunny",
        }
        answer = await self.chat(message, result)
        self.assertIn("sunny", answer["content"])
        body = self.simulator.log[-1].body
        (part,) = [
            part
            for content in body["contents"]
            for part in content["parts"]
            if "functionCall" in part
        ]
        return str(part["thoughtSignature"])
