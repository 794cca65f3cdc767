"""A gateway before a simulator whose models have small windows, and agents that talk a lot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import treq
from msgspec import Struct
from msgspec.structs import replace
from twisted.internet import reactor as default_reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.app.gateway import Gateway
from antigravity.config.home import prepare_home
from antigravity.config.quota_settings import QuotaSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import (
    ExperimentalSettings,
    ModelsSettings,
    ProxySettings,
    SchedulingSettings,
    Settings,
    UpstreamSettings,
)
from antigravity.hookspecs import hookimpl
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator
from antigravity.simulator.state import LoggedRequest

reactor: Any = default_reactor

MODEL = "claude-sonnet-4-5"
SUMMARY_MODEL = "gpt-5-mini"
CLAUDE_CODE = "claude-cli/2.1.329 (external, cli)"
#: What the operator's file says of the models: 8000 tokens.
WINDOW = 8_000
MODELS = f"""
[[model]]
match = ["claude-sonnet-4-5", "gemini-2.5-flash", "gpt-5.1"]
context_window = {WINDOW}
"""
TOOLS = [
    {
        "name": "Read",
        "description": "Reads a file.",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
]
WORDS = "the quick brown fox looked at line 17 of the file and found nothing new there. "


def prose(size: int) -> str:
    return (WORDS * (size // len(WORDS) + 1))[:size]


def rounds(count: int, size: int, begin: int = 0) -> list[dict[str, Any]]:
    """Return answers that call a tool, each with its result."""
    messages: list[dict[str, Any]] = []
    for number in range(begin, begin + count):
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": "Read", "input": {"path": "a"}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": prose(size)}
        messages.append({"role": "assistant", "content": [call]})
        messages.append({"role": "user", "content": [result]})
    return messages


def talk(count: int, size: int, text: str = "") -> list[dict[str, Any]]:
    """Return long answers, each with a short question behind it."""
    messages: list[dict[str, Any]] = []
    for number in range(count):
        messages.append({"role": "assistant", "content": prose(size) + text})
        messages.append({"role": "user", "content": f"Go on, {number}."})
    return messages


def asked(
    messages: list[dict[str, Any]], opening: str = "Mend the roof.", **more: Any
) -> dict[str, Any]:
    """Return the body of a request to Claude."""
    return {
        "model": MODEL,
        "max_tokens": 500,
        "system": "You are an agent.",
        "tools": TOOLS,
        "messages": [{"role": "user", "content": opening}, *messages],
        **more,
    }


class Answer(Struct):
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def compressed(self) -> str:
        return self.headers.get("x-context-compressed", "")


class Watcher:
    """A plugin that keeps every record."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []
        self.running = 0

    @hookimpl
    def exchange_started(self, record: ExchangeRecord) -> None:
        self.running += 1

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> None:
        self.running -= 1
        self.records.append(record)


class LongConversationCase(TestCase):
    """Requests to a gateway, what they are answered, and what reaches the upstream."""

    timeout = 120

    def setUp(self) -> None:
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.addCleanup(lambda: deferLater(reactor, 0.02))
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        self.address = f"http://127.0.0.1:{port.getHost().port}"
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        (self.home / "models.toml").write_text(MODELS)
        self.watcher = Watcher()
        self.gateway: Gateway | None = None
        self.addCleanup(self.stop)

    def upstreams(self, **kinds: str) -> dict[str, UpstreamSettings]:
        base = UpstreamSettings("", base_url=self.address, api_key=Secret("k"), apis=["chat"])
        return {name: replace(base, kind=kind) for name, kind in kinds.items()}

    async def start(
        self,
        upstreams: dict[str, UpstreamSettings] | None = None,
        *,
        summary: bool = False,
        concurrency: int = 0,
        files: tuple[str, ...] = ("models.toml",),
        **experimental: Any,
    ) -> None:
        """Start a gateway with the state of the one before it."""
        mapping = {"internal-background-task": SUMMARY_MODEL} if summary else {}
        settings = Settings(
            ProxySettings(
                listen=["tcp:0:interface=127.0.0.1"],
                custom_mapping=mapping,
                debug_headers=True,
                scheduling=SchedulingSettings(max_concurrency=concurrency, retry_pause=0.01),
            ),
            upstreams or self.upstreams(anthropic="anthropic", openai="openai"),
            models=ModelsSettings(list(files)),
            quota=QuotaSettings(0.0),
            experimental=ExperimentalSettings(**experimental),
        )
        host = PluginHost()
        host.load(extra=[("watcher", self.watcher)], installed=False)
        self.assertEqual(host.problems, [])
        self.gateway = Gateway(reactor, settings, self.home, host)
        await self.gateway.startService()

    async def stop(self) -> None:
        gateway, self.gateway = self.gateway, None
        if gateway is not None:
            await gateway.stopService()

    def url(self, path: str) -> str:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return f"http://127.0.0.1:{self.gateway.listener.ports[0].getHost().port}{path}"

    async def post(self, body: Any, path: str = "/v1/messages", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await treq.post(
            self.url(path),
            data=json.dumps(body, separators=(",", ":")).encode(),
            headers={"content-type": "application/json", "user-agent": "agent/1", **named},
            persistent=False,
        )
        found = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        return Answer(response.code, found, await response.content())

    def arrived(self, model: str = MODEL) -> list[LoggedRequest]:
        """Return the requests for an answer of a model that reached the upstream."""
        paths = ("/messages", "/completions", "generateContent", "GenerateContent")
        return [
            entry
            for entry in self.simulator.log
            if entry.path.endswith(paths)
            and (entry.body.get("model") == model or model in entry.path)
        ]

    @property
    def record(self) -> ExchangeRecord:
        """The record of the last request of a client."""
        return [each for each in self.watcher.records if each.protocol != "internal"][-1]
