"""A tool loop goes on over a restart, for a client that has no field for signatures."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import treq
from msgspec.structs import replace
from twisted.internet import reactor as default_reactor
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret
from antigravity.config.settings import (
    ProxySettings,
    Settings,
    SignaturesSettings,
    UpstreamSettings,
)
from antigravity.context.calibration import ENOUGH
from antigravity.gateway import Gateway
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator
from antigravity.simulator.signing import inspect

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


class RestartTests(TestCase):
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
        self.gateway = Gateway(reactor, settings, self.home, plugins)
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

    async def test_a_signature_survives_a_restart(self) -> None:
        await self.start()
        message = await self.called()
        await self.restart()
        signature = await self.sent_signature(message)
        self.assertIsNotNone(inspect(signature), "it is the model's own")
        self.assertNotEqual(signature, SENTINEL)
        await self.stop()
        state = self.home / "state"
        self.assertEqual(stat.S_IMODE(state.stat().st_mode), 0o700)
        for path in state.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)

    async def test_what_is_switched_off_is_not_kept_and_leaves_the_disk(self) -> None:
        await self.start()
        message = await self.called()
        await self.stop()
        self.assertTrue((self.home / "state" / "signatures.db").exists())
        await self.start(persist=False)
        self.assertEqual(list((self.home / "state").glob("signatures.db*")), [])
        self.assertEqual(await self.sent_signature(message), SENTINEL)
        message = await self.called()
        self.assertNotEqual(await self.sent_signature(message), SENTINEL)
        await self.restart(persist=False)
        self.assertEqual(await self.sent_signature(message), SENTINEL)

    async def test_a_broken_file_costs_the_signatures_only(self) -> None:
        await self.start()
        message = await self.called()
        await self.stop()
        path = self.home / "state" / "signatures.db"
        path.write_bytes(b"broken" * 1000)
        await self.start()
        self.assertTrue(path.with_name("signatures.db.broken").exists())
        self.assertEqual(await self.sent_signature(message), SENTINEL)
        message = await self.called()
        await self.restart()
        self.assertNotEqual(await self.sent_signature(message), SENTINEL)

    async def test_an_old_signature_is_gone(self) -> None:
        await self.start()
        message = await self.called()
        await self.restart(ttl=0.0)
        self.assertEqual(await self.sent_signature(message), SENTINEL)

    async def test_estimates_learn_from_usage_also_over_a_restart(self) -> None:
        message = {"role": "user", "content": "слово " * 400}
        ask = {"model": "gpt-5.1", "messages": [message], "max_tokens": 1000}
        await self.start()
        before = await self.count(ask)
        for stream in (False, True, False):
            text = await self.post("/v1/messages", {**ask, "stream": stream})
            self.assertIn("слово", str(text))
        after = await self.count(ask)
        self.assertLess(after, before * 0.6)
        await self.restart()
        self.assertEqual(await self.count(ask), after)

    async def test_a_body_that_is_only_passed_on_is_not_read_for_it(self) -> None:
        message = {"role": "user", "content": "слово " * 400}
        ask = {"model": "gpt-5.1", "messages": [message], "max_tokens": 1000}
        await self.start()
        before = await self.count(ask)
        for _ in range(ENOUGH):
            await self.post("/v1/chat/completions", ask)
        self.assertEqual(await self.count(ask), before)

    async def count(self, ask: dict[str, Any]) -> int:
        """Return the count of tokens for an upstream that cannot be asked."""
        body = {"model": ask["model"], "messages": ask["messages"]}
        answer = await self.post("/v1/messages/count_tokens", body)
        self.assertEqual(self.headers.getRawHeaders("X-Token-Count-Source"), ["estimate"])
        return int(answer["input_tokens"])
