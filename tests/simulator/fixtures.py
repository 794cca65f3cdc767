"""A listening simulator, and builders of requests."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import treq
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.server import Site

from antigravity.simulator.service import build_simulator

KEYS: dict[str, dict[str, str]] = {
    "openai": {"authorization": "Bearer k"},
    "anthropic": {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "k"},
}


class SimulatorTestCase(TestCase):
    """Starts a simulator on loopback for each test, and stops it."""

    timeout = 120
    options: ClassVar[dict[str, Any]] = {}

    @inlineCallbacks
    def setUp(self) -> Any:
        self.simulator = build_simulator(reactor, **self.options)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.site = Site(self.simulator.resource())
        self.site.noisy = False
        self.port = yield endpoint.listen(self.site)
        self.base = f"http://127.0.0.1:{self.port.getHost().port}"
        self.pool = HTTPConnectionPool(reactor, persistent=False)
        self.http = treq.client.HTTPClient(Agent(reactor, pool=self.pool))

    @inlineCallbacks
    def tearDown(self) -> Any:
        yield self.port.stopListening()
        self.simulator.stop()
        yield self.pool.closeCachedConnections()
        assert self.simulator.stats.open_streams == 0

    @inlineCallbacks
    def ask(self, path: str, body: Any, kind: str = "openai", **headers: str) -> Any:
        """Return status, headers and body of an answer; a body that is JSON is read."""
        response = yield self.http.request(
            "POST" if body is not None else "GET",
            self.base + path,
            headers={**KEYS[kind], **headers, "content-type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
            unbuffered=True,
        )
        raw = yield response.content()
        kind = response.headers.getRawHeaders("content-type", [""])[0]
        return response, json.loads(raw) if kind == "application/json" and raw else raw


def events(raw: bytes) -> list[Any]:
    """Return the data of server-sent events, as JSON where it is."""
    found = []
    for line in raw.replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b"data: "):
            data = line[6:].decode()
            found.append(data if data == "[DONE]" else json.loads(data))
    return found


def chat(text: str, **fields: Any) -> dict[str, Any]:
    """Return a chat with one user text."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}


def message(text: str, **fields: Any) -> dict[str, Any]:
    """Return a message with one user text."""
    messages = [{"role": "user", "content": text}]
    return {"model": "claude-sonnet-4-6", "max_tokens": 2048, "messages": messages, **fields}


def contents(text: str, **fields: Any) -> dict[str, Any]:
    """Return a Gemini request with one user text."""
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **fields}
