"""What clients get when the gateway stops after the shutdown grace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase
from twisted.web.client import ResponseDone

from antigravity.app.gateway import Gateway
from antigravity.config.settings import ProxySettings, Settings
from antigravity.plugins import PluginHost

TEXT = "[[chunks 50]] [[delay 1]] [[say one two three four five six seven eight]]"
MODELS = ("gpt-5.1", "claude-sonnet-4-5", "gemini-2.5-flash")


def asked(protocol: str, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
    """Return path and body of a request in a protocol."""
    message = {"role": "user", "content": TEXT}
    if protocol == "gemini":
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}
        return f"/v1beta/models/{model}:{method}", body
    body = {"model": model, "stream": stream}
    if protocol == "responses":
        return "/v1/responses", {**body, "input": TEXT}
    body["messages"] = [message]
    if protocol == "anthropic":
        return "/v1/messages", {**body, "max_tokens": 500}
    return "/v1/chat/completions", body


class Reader(Protocol):
    """Collects a body; ``begun`` fires with its first bytes, ``over`` with how it ended."""

    def __init__(self) -> None:
        self.data = b""
        self.begun: Deferred[None] = Deferred()
        self.over: Deferred[Any] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if not self.begun.called:
            self.begun.callback(None)

    def connectionLost(self, reason: Any = None) -> None:
        self.over.callback(reason.value)


class ShutdownTests(TestCase):
    """One gateway with the simulator inside, without shutdown grace."""

    async def start(self) -> None:
        settings = Settings(ProxySettings(listen=["tcp:0:interface=127.0.0.1"], shutdown_grace=0.0))
        plugins = PluginHost()
        plugins.load(installed=False)
        self.gateway = Gateway(reactor, settings, Path(self.mktemp()), plugins, demo=True)
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    def post(self, path: str, body: dict[str, Any]) -> Deferred[Any]:
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        return treq.post(f"http://127.0.0.1:{port}{path}", json=body, persistent=False)

    async def test_stream_ends_with_protocol_error_without_reset(self) -> None:
        await self.start()
        readers: dict[tuple[str, str], Reader] = {}
        for protocol in ("chat", "responses", "anthropic", "gemini"):
            for model in MODELS:
                response = await self.post(*asked(protocol, model, stream=True))
                self.assertEqual(response.code, 200)
                reader = readers[protocol, model] = Reader()
                response.original.deliverBody(reader)
        await gatherResults([reader.begun for reader in readers.values()])
        stopping = self.gateway.stopService()
        ends = await gatherResults([reader.over for reader in readers.values()])
        await stopping
        for (protocol, model), reason in zip(readers, ends, strict=True):
            reader = readers[protocol, model]
            case = f"{protocol} {model}: {reader.data!r}"
            self.assertIsInstance(reason, ResponseDone, case)
            last = [line[6:] for line in reader.data.splitlines() if line.startswith(b"data: {")]
            event = json.loads(last[-1])
            error = event.get("error") or event.get("response", {}).get("error") or event
            self.assertIn("shutting down", error["message"], case)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_several_choices_end_with_one_error(self) -> None:
        await self.start()
        path, body = asked("chat", "claude-sonnet-4-5", stream=True)
        response = await self.post(path, {**body, "n": 3})
        reader = Reader()
        response.original.deliverBody(reader)
        await reader.begun
        stopping = self.gateway.stopService()
        self.assertIsInstance(await reader.over, ResponseDone)
        self.assertIn(b"shutting down", reader.data)
        await stopping
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_whole_response_is_protocol_error(self) -> None:
        await self.start()
        cases = [(p, m) for p in ("chat", "responses", "anthropic", "gemini") for m in MODELS]
        waiting = [self.post(*asked(*case, stream=False)) for case in cases]
        while self.gateway.drain.active < len(cases):
            await self.turn()
        stopping = self.gateway.stopService()
        for case, response in zip(cases, await gatherResults(waiting), strict=True):
            self.assertEqual(response.code, 503, case)
            self.assertIn("shutting down", (await response.json())["error"]["message"])
        await stopping
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_pending_model_lists_leave_no_traceback(self) -> None:
        await self.start()
        waiting = [
            self.post(*asked("chat", f"unknown-{number}", stream=False)) for number in range(5)
        ]
        stopping = self.gateway.stopService()
        for each in waiting:
            each.addErrback(lambda _: None)  # the port may have been closed before
        await gatherResults(waiting)
        await stopping
        self.assertEqual(self.flushLoggedErrors(), [])

    def turn(self) -> Deferred[None]:
        turned: Deferred[None] = Deferred()
        reactor.callLater(0.01, turned.callback, None)  # type: ignore[attr-defined]
        return turned
