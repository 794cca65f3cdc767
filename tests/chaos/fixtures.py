"""A simulator and a gateway with several accounts for each upstream, and what watches both."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from treq.client import HTTPClient
from twisted.internet import reactor as default_reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.server import Site

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.records import AccountRecord
from antigravity.app.gateway import Gateway
from antigravity.config.home import prepare_home
from antigravity.config.quota_settings import QuotaSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import OAuthSettings, ProxySettings, Settings, UpstreamSettings
from antigravity.hookspecs import hookimpl
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator
from antigravity.simulator.state import LoggedRequest

reactor: Any = default_reactor

#: What every prompt of a test carries once, and no other prompt does.
MARKER = re.compile(r"mark-[0-9]+-[0-9a-f]{8}")


class Arrivals(deque[LoggedRequest]):
    """The simulator's log: few entries, but how often each marker came is counted."""

    def __init__(self) -> None:
        super().__init__(maxlen=50)
        self.markers: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()

    def append(self, entry: LoggedRequest) -> None:
        super().append(entry)
        self.markers.update(set(MARKER.findall(json.dumps(entry.body))))
        headers = entry.headers
        self.keys[headers.get("x-api-key") or headers.get("x-goog-api-key", "")] += 1


class Observer:
    """A plugin that keeps the records of finished exchanges, by the id of their request."""

    def __init__(self) -> None:
        self.records: dict[str, ExchangeRecord] = {}
        self.running = 0

    @hookimpl
    def exchange_started(self, record: ExchangeRecord) -> None:
        self.running += 1

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> None:
        self.running -= 1
        self.records[record.id] = record


class ChaosCase(TestCase):
    """Starts a simulator, and gateways before it; trial asserts that no timer, socket or file
    is left of them."""

    timeout = 120
    token_lifetime = 3599.0

    def setUp(self) -> None:
        self.simulator = build_simulator(reactor, self.token_lifetime)
        self.arrivals = Arrivals()
        self.simulator.state.log = self.arrivals
        site = Site(self.simulator.resource())
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.address = f"http://127.0.0.1:{port.getHost().port}"
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        self.observer = Observer()
        self.gateway: Gateway | None = None
        self.pool = HTTPConnectionPool(reactor)
        self.pool.maxPersistentPerHost = 64
        self.pool.retryAutomatically = False
        self.http = HTTPClient(Agent(reactor, pool=self.pool))
        # Cleanups run last to first; the far ends of closed connections see it in later turns.
        self.addCleanup(lambda: deferLater(reactor, 0.05))
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        self.addCleanup(self.stop)
        self.addCleanup(self.pool.closeCachedConnections)

    def upstream(self, kind: str, *keys: str) -> UpstreamSettings:
        """Return an upstream at the simulator, with one account for each key."""
        return UpstreamSettings(kind, base_url=self.address, api_keys=[Secret(k) for k in keys])

    def codeassist(self, *tokens: str) -> UpstreamSettings:
        """Keep one account for each refresh token, and return the upstream that they are for."""
        files = AccountFiles(self.home)
        for number, token in enumerate(tokens):
            files.save(
                AccountRecord(
                    f"codeassist-{number}", "codeassist", Secret(token), created=float(number)
                )
            )
        oauth = OAuthSettings("client", Secret("secret"), f"{self.address}/token")
        return UpstreamSettings("codeassist", base_url=self.address, oauth=oauth)

    async def start(self, upstreams: dict[str, UpstreamSettings], **proxy: Any) -> None:
        """Start a gateway with the state of the one before it."""
        door = replace(ProxySettings(), port=0, shutdown_grace=2.0, **proxy)
        settings = Settings(proxy=door, upstreams=upstreams, quota=QuotaSettings(0.0))
        plugins = PluginHost()
        plugins.load(extra=[("observer", self.observer)], installed=False)
        self.gateway = Gateway(reactor, settings, self.home, plugins)
        await self.gateway.startService()
        listener: Any = self.gateway.listener
        self.door = f"http://127.0.0.1:{listener.ports[0].getHost().port}"

    async def restart(self, upstreams: dict[str, UpstreamSettings], **proxy: Any) -> None:
        """Stop the gateway in order, and start another one in its place."""
        await self.stop()
        await self.start(upstreams, **proxy)

    def stop(self) -> Any:
        gateway, self.gateway = self.gateway, None
        return None if gateway is None else gateway.stopService()

    async def ask(self, path: str, body: Any, request_id: str, **headers: str) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        response = await self.http.post(
            self.door + path,
            headers={"x-request-id": request_id, "content-type": "application/json", **headers},
            data=json.dumps(body).encode(),
            unbuffered=True,
        )
        return response.code, await response.content()

    async def settled(self) -> None:
        """Wait until everybody has noticed that the last request is over."""
        for _ in range(100):
            if not self.observer.running and not self.simulator.stats.open_streams:
                return
            await deferLater(reactor, 0.02)

    def check_nothing_runs(self) -> None:
        """Assert that no exchange, lease or stream is left, on either side."""
        gateway: Any = self.gateway
        assert self.observer.running == 0
        assert gateway.drain.active == 0
        status = gateway.accounts.pool.status()
        assert status.running == 0
        assert status.queue.waiting == 0
        assert not gateway.transport.active
        assert self.simulator.stats.open_streams == 0
