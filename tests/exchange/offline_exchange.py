"""An exchange whose clock and whose upstreams' responses a test controls, without a connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.pool import AccountPool
from antigravity.app.build import RuntimeBuilder
from antigravity.app.learned_state import LearnedState
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.settings import (
    ProxySettings,
    SchedulingSettings,
    Secret,
    Settings,
    UpstreamSettings,
)
from antigravity.exchange.background import Background
from antigravity.exchange.service import Exchange
from antigravity.exchange.services import Services
from antigravity.exchange.turns import Turns
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.call import Call
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.stores.bounded_cache import BoundedCache
from antigravity.stores.published_files import PublishedFiles
from tests.exchange.fakes import FakeTransport


class FakeResponse:
    """A response whose body comes when the test says so."""

    def __init__(self, status: int, content_type: str) -> None:
        self._status, self._content_type = status, content_type
        self.collected: Deferred[bytes] = Deferred()
        self.reader: Any = None
        self.side = FakeTransport()

    def status(self) -> int:
        return self._status

    def headers(self) -> dict[str, str]:
        return {"content-type": self._content_type}

    def collect(self, limit: int) -> Deferred[bytes]:
        return self.collected

    def deliver(self, reader: Any) -> None:
        self.reader = reader
        reader.makeConnection(self.side)

    def finish(self, body: bytes) -> None:
        """Deliver the whole body in the way that was asked for."""
        if self.reader is None:
            self.collected.callback(body)
        else:
            self.reader.dataReceived(body)
            self.end()

    def end(self) -> None:
        self.reader.connectionLost(Failure(ResponseDone()))


class PendingRequests:
    """A transport that holds every request until the test answers it."""

    def __init__(self) -> None:
        self.requests: list[OutgoingRequest] = []
        self._sent: list[Deferred[Any]] = []

    def send(self, request: OutgoingRequest) -> Deferred[Any]:
        sent: Deferred[Any] = Deferred()
        self.requests.append(request)
        self._sent.append(sent)
        return sent

    def respond(self, status: int = 200, content_type: str = "application/json") -> FakeResponse:
        """Answer the oldest request that waits with the head of a response."""
        response = FakeResponse(status, content_type)
        self._sent.pop(0).callback(response)
        return response

    def refuse(self, status: int, message: str = "no") -> None:
        """Answer the oldest request that waits with an error."""
        self.respond(status).finish(json.dumps({"error": {"message": message}}).encode())


class OfflineExchange:
    """Exchange, accounts and protocols, with upstreams for ``gpt-*`` and ``claude-*``.

    :ivar records: of the exchanges that have ended.
    """

    def __init__(self, home: Path, keys: int = 1, **proxy: Any) -> None:
        self.clock = Clock()
        self.transport = PendingRequests()
        self.records: list[ExchangeRecord] = []
        plugins = PluginHost()
        plugins.load(installed=False)
        self._servers = {each.name: each for each in plugins.registry.all_servers}
        upstream = UpstreamSettings(
            "openai",
            base_url="http://upstream.example/v1",
            api_keys=[Secret(f"key-{number}") for number in range(keys)],
            models=["gpt-*"],
            apis=["chat"],
        )
        claude = UpstreamSettings(
            "anthropic",
            base_url="http://claude.example",
            api_key=Secret("claude-key"),
            models=["claude-*"],
        )
        settings = Settings(ProxySettings(**proxy), {"openai": upstream, "claude": claude})
        self.pool = AccountPool(self.clock, CredentialStore(settings), settings.proxy.scheduling)
        transport: Any = self.transport
        builder = RuntimeBuilder(self.clock, home, transport, self.pool, None)
        self.runtime = builder.build(LoadedConfiguration(settings, plugins))
        self.pool.reload(self.runtime.accounts, settings.proxy.scheduling, self.runtime.policy)
        for each in self.runtime.snapshot.router.upstreams:
            each.models = lambda credential: succeed([])
        self.exchange = Exchange(self._services(settings), self.runtime.snapshot)

    def _services(self, settings: Settings) -> Services:
        learned = LearnedState(self.clock, settings, None)
        seconds: Callable[[], float] = self.clock.seconds
        return Services(
            clock=self.clock,
            transport=self.transport,
            signatures=learned.signatures,
            calibration=learned.calibration,
            contexts=learned.contexts,
            refusals=learned.refusals,
            summaries=learned.summaries,
            conversations=BoundedCache(seconds, max_entries=9, max_bytes=9999, ttl=9.0),
            files=PublishedFiles(seconds, max_bytes=9999, ttl=9.0),
            new_id=lambda prefix: f"{prefix}1",
            started=lambda record: None,
            finished=self.records.append,
            in_thread=lambda function, *arguments: succeed(function(*arguments)),
            background=Background(lambda function: succeed(function())),
            turns=Turns(self.clock),
        )

    def compute(self, seconds: float) -> None:
        """Let time pass in which nothing else happens."""
        self.clock.rightNow += seconds

    def ask(self, protocol: str = "openai_chat", **more: Any) -> Deferred[Reply]:
        """Send a request for ``gpt-5``; it began to arrive a second ago."""
        server = self._servers[protocol]
        body = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}], **more}
        arrived = self.clock.seconds() - 1.0
        route = server.routes[0]
        call = Call(route, {}, {}, {}, json.dumps(body).encode(), "p", "req_1", arrived=arrived)
        return self.exchange.handle(server, call)


def scheduling(**more: Any) -> SchedulingSettings:
    """Return settings for accounts, with pauses of a second between attempts."""
    return SchedulingSettings(retry_pause=1.0, **more)
