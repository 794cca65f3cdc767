"""What clients get when the gateway stops after the shutdown grace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase
from twisted.web.client import ResponseDone

from antigravity.app.gateway import Gateway
from antigravity.config.settings import ProxySettings, Settings
from antigravity.plugins import PluginHost
from tests.service.stream_fixture import MODELS, Reader, asked


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
