"""The gateway as one service: what starts first stops last."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import inlineCallbacks
from txaio import tx as txaio

from antigravity.config.settings import Settings
from antigravity.exchange.log import log_exchange
from antigravity.exchange.service import Exchange
from antigravity.exchange.services import Services
from antigravity.ir.record import ExchangeRecord
from antigravity.listening import Listener
from antigravity.plugins import PluginHost
from antigravity.services import Closing, Drain, SequentialService
from antigravity.signatures.store import SignatureStore
from antigravity.stores.bounded import BoundedBytes
from antigravity.transport.client import HttpTransport
from antigravity.transport.media import MediaFetcher
from antigravity.web.app import WebApp
from antigravity.wiring import (
    UpstreamBuilder,
    build_snapshot,
    demo_settings,
    load_credentials,
    new_id,
)


class Gateway(Service):
    """Serves with one configuration, from :meth:`startService` to :meth:`stopService`.

    ``demo`` serves everything from a simulator inside.  ``failed`` is called when the
    gateway cannot start.
    """

    log = txaio.make_logger()

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        home: Path,
        plugins: PluginHost,
        *,
        demo: bool = False,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._home = home
        self._plugins = plugins
        self._demo = demo
        self._failed = failed
        self._children = SequentialService()  # type: ignore[no-untyped-call]
        self._drain: Drain | None = None
        self.listener: Listener | None = None
        self.simulator: Any = None

    def startService(self) -> Any:
        """Start everything; the Deferred that it returns fires when clients can come."""
        super().startService()  # type: ignore[no-untyped-call]
        self._children.startService()  # type: ignore[no-untyped-call]
        started = self._start()
        started.addErrback(self._not_started)
        return started

    @inlineCallbacks
    def stopService(self) -> Any:
        """Stop listening, let running exchanges end, then close everything else."""
        super().stopService()  # type: ignore[no-untyped-call]
        yield self._children.stopService()

    def hurry(self) -> None:
        """While the gateway stops, wait no longer for running exchanges."""
        if self._drain is not None:
            self._drain.hurry()

    @inlineCallbacks
    def _start(self) -> Any:
        settings = self._settings
        transport = HttpTransport(self._reactor)
        self._add(Closing(transport.close))
        if self._demo:
            settings = demo_settings(settings, (yield self._start_simulator()))
        exchange, drain = self._build_exchange(settings, transport)
        registry = self._plugins.registry
        app = WebApp(
            exchange,
            list(registry.servers.values()),
            settings,
            registry.routes,
            hostname=socket.gethostname(),
        )
        site = app.site(self._reactor)
        self._add(Closing(site.close_all))
        self._add(drain)
        self._drain = drain
        self.listener = listener = Listener(self._reactor, site, settings.proxy)
        yield listener.listen()
        self._add(listener)

    def _build_exchange(
        self, settings: Settings, transport: HttpTransport
    ) -> tuple[Exchange, Drain]:
        clock, plugins = self._reactor, self._plugins
        drain = Drain(clock, settings.proxy.shutdown_grace)
        media = MediaFetcher(settings.media, clock)
        self._add(Closing(media.close))
        book = load_credentials(settings, self._home, demo=self._demo)
        builder = UpstreamBuilder(
            plugins.registry, transport, clock, settings.proxy.request_timeout
        )
        snapshot, catalog = build_snapshot(
            settings, self._home, book, builder, plugins.registry, clock
        )
        self._add(Closing(catalog.stop))

        def started(record: ExchangeRecord) -> None:
            drain.enter(record)
            plugins.notify("exchange_started", record=record)

        def finished(record: ExchangeRecord) -> None:
            drain.leave(record)
            log_exchange(record)
            plugins.notify("exchange_finished", record=record)

        responses = settings.responses
        services = Services(
            clock=clock,
            transport=transport,
            media=media,
            signatures=SignatureStore(clock.seconds),
            conversations=BoundedBytes(
                time.monotonic,
                max_entries=responses.max_entries,
                max_bytes=responses.max_bytes,
                ttl=responses.ttl,
            ),
            new_id=new_id,
            started=started,
            finished=finished,
        )
        return Exchange(services, snapshot), drain

    @inlineCallbacks
    def _start_simulator(self) -> Any:
        """Start the simulator on a free port of loopback, and return its address."""
        from twisted.internet.endpoints import TCP4ServerEndpoint
        from twisted.web.server import Site

        from antigravity.simulator.service import build_simulator

        self.simulator = simulator = build_simulator(self._reactor)
        endpoint = TCP4ServerEndpoint(self._reactor, 0, interface="127.0.0.1")
        port = yield endpoint.listen(Site(simulator.resource()))
        self._add(Closing(simulator.stop))
        self._add(Closing(port.stopListening))
        address = f"http://127.0.0.1:{port.getHost().port}"
        self.log.warn("DEMO: every model is simulated, by the simulator at {a}", a=address)
        return address

    def _add(self, service: Service) -> None:
        service.setServiceParent(self._children)

    def _not_started(self, failure: Any) -> Any:
        if self._failed is None:
            return failure
        self._failed(failure.value)
        return None
