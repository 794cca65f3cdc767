"""A gateway with an Anthropic upstream and z.ai, both served by one simulator."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import treq
from msgspec import Struct
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
    RoutingSettings,
    SchedulingSettings,
    Settings,
    UpstreamSettings,
    ZaiSettings,
)
from antigravity.exchange.attempts import retry
from antigravity.hookspecs import hookimpl
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator

reactor: Any = default_reactor

CLAUDE = "claude-sonnet-4-6"
ADMIN = "sk-admin"
#: How the paths end under which upstreams answer.
ANSWERING = ("/messages", "/completions", "/responses", "generateContent", "GenerateContent")


#: What Claude Code sends with a title that it wants, and how it is known.
CLAUDE_CODE = {"user_agent": "claude-cli/2.1.329 (external, cli)", "x_app": "cli"}
_TITLE = {
    "type": "json_schema",
    "schema": {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    },
}


class Answer(Struct):
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Watcher:
    """A plugin that keeps every record."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> None:
        self.records.append(record)


def _content(body: Any) -> dict[str, Any]:
    """Return how treq is told of a body: bytes go as they are, all else as JSON."""
    if body is None:
        return {}
    return {"data": body} if isinstance(body, bytes) else {"json": body}


class DispatchCase(TestCase):
    """Requests to a gateway, and whom they reach; trial asserts that nothing is left of it."""

    timeout = 120

    def setUp(self) -> None:
        for name in ("SERVER_PAUSES", "CAPACITY_PAUSES", "SOON"):
            self.patch(retry, name, 0.01)
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.address = f"http://127.0.0.1:{port.getHost().port}"
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)

    def upstream(self, kind: str, *keys: str, **more: Any) -> UpstreamSettings:
        """Return an upstream of the simulator."""
        secrets = [Secret(key) for key in keys]
        base = {"base_url": self.address, "api_keys": secrets, **more}
        return UpstreamSettings(kind, **base)

    def zai(self, mode: str, **more: Any) -> ZaiSettings:
        """Return z.ai in its short form."""
        base = {"base_url": f"{self.address}/api/anthropic", "api_key": Secret("zai-key"), **more}
        return ZaiSettings(enabled=True, dispatch_mode=mode, **base)  # type: ignore[arg-type]

    async def start(
        self,
        upstreams: dict[str, UpstreamSettings],
        zai: ZaiSettings | None = None,
        routing: RoutingSettings | None = None,
        **proxy: Any,
    ) -> None:
        """Start a gateway that waits for no account."""
        door = {
            "listen": ["tcp:0:interface=127.0.0.1"],
            "admin_key": Secret(ADMIN),
            "scheduling": SchedulingSettings(max_wait_seconds=0.0),
            "zai": zai or ZaiSettings(),
            **proxy,
        }
        self.settings = Settings(
            replace(ProxySettings(), **door), upstreams, routing or RoutingSettings()
        )
        self.watcher = Watcher()
        host = PluginHost()
        host.load(extra=[("watcher", self.watcher)], installed=False)
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        self.gateway = Gateway(
            reactor,
            self.settings,
            self.home,
            host,
            configure=lambda _: LoadedConfiguration(self.settings, host),
        )
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    async def ask(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; without a body it is a GET of the operator's."""
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        response = await treq.request(
            "GET" if body is None else "POST",
            f"http://127.0.0.1:{port}{path}",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            persistent=False,
            **_content(body),
        )
        found = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        return Answer(response.code, found, await response.content())

    async def message(self, text: str = "hello", model: str = CLAUDE, **more: Any) -> Answer:
        """Ask for a message as a client of Anthropic's."""
        said = [{"role": "user", "content": text}]
        return await self.ask(
            "/v1/messages", {"model": model, "max_tokens": 500, "messages": said, **more}
        )

    async def title(self, model: str) -> Answer:
        """Ask for a title as Claude Code does on its own."""
        body = {
            "model": model,
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "Mend the roof"}],
            "output_config": {"format": _TITLE},
        }
        return await self.ask("/v1/messages", body, **CLAUDE_CODE)

    async def chat(self, text: str = "hello", model: str = CLAUDE, **more: Any) -> Answer:
        """Ask for a completion as a client of OpenAI's."""
        said = [{"role": "user", "content": text}]
        return await self.ask("/v1/chat/completions", {"model": model, "messages": said, **more})

    async def explain(self, model: str = CLAUDE, protocol: str = "anthropic") -> Any:
        """Ask the operator's question who would serve."""
        path = f"/admin/explain?model={model}&protocol={protocol}"
        return (await self.ask(path, x_api_key=ADMIN)).json()

    def reached(self) -> list[Any]:
        """Return the requests for an answer that reached an upstream."""
        return [entry for entry in self.simulator.log if entry.path.endswith(ANSWERING)]

    def served_by(self) -> Counter[str]:
        """Return how many requests z.ai got, and how many the other upstreams."""
        return Counter(
            "zai" if entry.path.startswith("/api/anthropic/") else "other"
            for entry in self.reached()
        )

    @property
    def record(self) -> ExchangeRecord:
        """The record of the last request."""
        return self.watcher.records[-1]
