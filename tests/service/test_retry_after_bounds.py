"""Absurd Retry-After values of upstreams are limited everywhere."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor as default_reactor
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from antigravity.app.gateway import Gateway
from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret
from antigravity.config.settings import (
    ProxySettings,
    SchedulingSettings,
    Settings,
    UpstreamSettings,
)
from antigravity.plugins import PluginHost

reactor: Any = default_reactor
CEILING = 31 * 86400
ABSURD = (b"1e300", b"99999999999999999999", b"Fri, 31 Dec 9999 23:59:59 GMT")
STRANGE = (b"nan", b"inf", b"-5", b"-1e300", b"soon", b"9" * 4990 + b"x")
WAYS = {
    "openai": ("/v1/chat/completions", "gpt-4.1"),
    "anthropic": ("/v1/messages", "claude-sonnet-4-5"),
    "gemini_api": ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash"),
}


class Limited(Resource):
    """Sends a 429 with one ``Retry-After`` for every request."""

    isLeaf = True  # noqa: N815 - a name that Twisted reads

    def __init__(self) -> None:
        super().__init__()
        self.after = b""

    def render(self, request: Any) -> bytes:
        request.setResponseCode(429)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"retry-after", self.after)
        return b'{"error": {"message": "slow down", "code": 429, "status": "RESOURCE_EXHAUSTED"}}'


class RetryAfterBoundTests(TestCase):
    timeout = 120

    async def start(self, **scheduling: Any) -> None:
        self.upstream = Limited()
        port = reactor.listenTCP(0, Site(self.upstream), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        address = f"http://127.0.0.1:{port.getHost().port}"
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        self.settings = Settings(
            ProxySettings(
                listen=["tcp:0:interface=127.0.0.1"],
                scheduling=SchedulingSettings(max_wait_seconds=0.0, **scheduling),
            ),
            {
                kind: UpstreamSettings(kind, base_url=address, api_key=Secret("k"), models=[model])
                for kind, (_, model) in WAYS.items()
            },
        )
        self.gateway: Gateway | None = None
        self.addCleanup(self.stop)
        await self.run_gateway()

    async def run_gateway(self) -> None:
        host = PluginHost()
        host.load(installed=False)
        self.gateway = Gateway(reactor, self.settings, self.home, host)
        await self.gateway.startService()

    async def stop(self) -> None:
        gateway, self.gateway = self.gateway, None
        if gateway is not None:
            await gateway.stopService()

    async def ask(self, kind: str, path: str = "") -> int | None:
        """Return the delay that a client is told."""
        own, model = WAYS[kind]
        assert self.gateway is not None
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        body = {
            "model": model,
            "max_tokens": 16,
            "messages": [{"role": "user", "content": "hi"}],
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        }
        body.pop("messages" if (path or own).startswith("/v1beta") else "contents")
        response = await treq.post(
            f"http://127.0.0.1:{port}{path or own}", json=body, persistent=False
        )
        text = await response.text()
        self.assertEqual(response.code, 429, text)
        values = response.headers.getRawHeaders("retry-after", [])
        return int(values[0]) if values else None

    def locks(self) -> list[dict[str, Any]]:
        text = (self.home / "state" / "pool.json").read_text()
        kept = json.loads(text, parse_constant=self.fail)
        return list(kept["locks"]["locks"])

    async def test_limit_applies_to_clients_files_and_restarts(self) -> None:
        for after in ABSURD:
            await self.start()
            self.upstream.after = after
            for kind in WAYS:
                for _ in range(2):  # told by the upstream, then by the lock
                    told = await self.ask(kind)
                    assert told is not None
                    self.assertLess(abs(told - CEILING), 60, (kind, after))
            await self.stop()
            self.assertEqual(len(self.locks()), len(WAYS))
            for lock in self.locks():
                self.assertLess(abs(lock["until"] - time.time() - CEILING), 60)
            await self.run_gateway()
            for kind in WAYS:
                told = await self.ask(kind)
                assert told is not None
                self.assertLess(abs(told - CEILING), 60)
            await self.stop()

    async def test_limit_applies_to_translated_errors(self) -> None:
        await self.start()
        self.upstream.after = ABSURD[0]
        for kind in ("anthropic", "gemini_api"):
            told = await self.ask(kind, "/v1/chat/completions")
            assert told is not None
            self.assertLess(abs(told - CEILING), 60)

    async def test_limit_is_configurable(self) -> None:
        await self.start(max_lock_seconds=3600.0)
        self.upstream.after = ABSURD[0]
        for kind in WAYS:
            for _ in range(2):
                told = await self.ask(kind)
                assert told is not None
                self.assertLess(abs(told - 3600), 60)

    async def test_invalid_retry_after_is_ignored(self) -> None:
        for after in STRANGE:
            await self.start()
            self.upstream.after = after
            for kind in WAYS:
                await self.ask(kind)
                told = await self.ask(kind)
                assert told is not None
                self.assertLessEqual(told, 60, (kind, after))
            await self.stop()
