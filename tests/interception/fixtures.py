"""A whole gateway with the simulator inside, and what clients send on their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import treq
from msgspec import Struct
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from antigravity.app.gateway import Gateway
from antigravity.config.settings import (
    InterceptionSettings,
    ProxySettings,
    RoutingSettings,
    Settings,
)
from antigravity.hookspecs import hookimpl
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.simulator.state import LoggedRequest

CLAUDE_CODE = {"user-agent": "claude-cli/2.1.329 (external, cli)", "x-app": "cli"}
BACKGROUND = "internal-background-task"
#: How the paths end under which upstreams answer.
ANSWERING = ("/messages", "/completions", "/responses", "generateContent", "GenerateContent")


class Answer(Struct):
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """Return the JSON data of a stream's events."""
        return [
            json.loads(line[6:])
            for line in self.body.decode().splitlines()
            if line.startswith("data: {")
        ]


class _Watcher:
    """A plugin that keeps every record."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> None:
        self.records.append(record)


class GatewayCase(TestCase):
    """Requests to a gateway, what they are answered, and what reaches the upstream."""

    async def start(
        self,
        *plugins: object,
        blocked: tuple[str, ...] = (),
        mapping: dict[str, str] | None = None,
        aliases: bool = False,
        **interception: Any,
    ) -> None:
        """Start a gateway with extra plugins, without blocked ones."""
        settings = Settings(
            ProxySettings(listen=["tcp:0:interface=127.0.0.1"], custom_mapping=mapping or {}),
            routing=RoutingSettings(builtin_aliases=aliases),
            interception=InterceptionSettings(**interception),
        )
        self.watcher = _Watcher()
        host = PluginHost({"blocked": list(blocked)})
        extra = [(f"extra-{number}", plugin) for number, plugin in enumerate(plugins)]
        host.load(extra=[*extra, ("watcher", self.watcher)], installed=False)
        self.assertEqual(host.problems, [])
        self.gateway = Gateway(reactor, settings, Path(self.mktemp()), host, demo=True)
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        """Send a request, of Claude Code unless ``headers`` say otherwise."""
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        response = await treq.post(
            f"http://127.0.0.1:{port}{path}",
            json=body,
            headers=CLAUDE_CODE if headers is None else headers,
            persistent=False,
        )
        found = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        return Answer(response.code, found, await response.content())

    @property
    def record(self) -> ExchangeRecord:
        """The record of the last request."""
        return self.watcher.records[-1]

    def asked(self) -> list[LoggedRequest]:
        """Return the requests for an answer that reached an upstream."""
        return [entry for entry in self.gateway.simulator.log if entry.path.endswith(ANSWERING)]


def message(content: Any, **more: Any) -> dict[str, Any]:
    """Return the body of a request for a message of Claude's."""
    return {
        "model": "claude-sonnet-5",
        "max_tokens": 512,
        "messages": [{"role": "user", "content": content}],
        **more,
    }
