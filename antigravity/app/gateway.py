"""The gateway as one service: what starts first stops last."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, DeferredSemaphore, inlineCallbacks
from txaio import tx as txaio

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.loader import AccountLoader
from antigravity.app.accounts import AccountServices
from antigravity.app.administration import Administration
from antigravity.app.build import demo_settings, new_id
from antigravity.app.demo import DemoSimulator
from antigravity.app.learned_state import LearnedState
from antigravity.app.mcp.endpoints import McpEndpoints
from antigravity.app.runtime import Configure, LoadedConfiguration, Runtime, in_thread
from antigravity.app.tunnel import TunnelSite
from antigravity.config.last_run import LastRun, write_last_run
from antigravity.config.settings import Settings, effective_auth_mode
from antigravity.config.snapshot import Configuration
from antigravity.exchange.background import Background
from antigravity.exchange.log import log_exchange
from antigravity.exchange.operations.model_question import Question
from antigravity.exchange.operations.warmup import Warmup
from antigravity.exchange.service import Exchange
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.exchange.turns import Turns
from antigravity.ir.record import ExchangeRecord
from antigravity.logs import make_logger
from antigravity.plugins import PluginHost
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.services import Closing, Drain, SequentialService
from antigravity.stores.bounded import BoundedBytes
from antigravity.stores.published import PublishedFiles
from antigravity.transport.client import HttpTransport
from antigravity.tunnel.service import Tunnel
from antigravity.web.listener import Listener, endpoint_strings
from antigravity.web.site import GatewaySite

#: Threads that compute, at the most: more would only take time from the event loop.
_COMPUTING = 4
#: Seconds for the errors of requests that are cut off to be written.
_LAST_WORDS = 2.0


class Gateway(Service):
    """Serves, from :meth:`startService` to :meth:`stopService`.

    ``source`` says where the settings come from.  ``demo`` serves everything from a simulator
    inside.  ``configure`` reads the configuration anew for :meth:`reload`.  ``failed`` is called
    when the gateway cannot start.

    :ivar problem: why the newest configuration is not used, empty if it is.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        home: Path,
        plugins: PluginHost,
        *,
        source: Configuration | None = None,
        demo: bool = False,
        configure: Configure | None = None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._reactor = reactor
        self._home = home
        self._first = LoadedConfiguration(settings, plugins, source)
        self._accounts = None if demo else AccountLoader(AccountFiles(home))
        self._configure = configure
        self._failed = failed
        self._children = SequentialService()  # type: ignore[no-untyped-call]
        self._changing = DeferredLock()
        self._computing = DeferredSemaphore(_COMPUTING)
        self._background = Background(partial(in_thread, reactor))
        self._turns = Turns(reactor)
        self._drain = Drain(reactor, settings.proxy.shutdown_grace)
        self._demo = DemoSimulator(reactor) if demo else None
        self._pooling = AccountServices(
            reactor, None if demo else home, lambda: self._assembly, self._warm_up
        )
        self._keeping = LearnedState(reactor, settings, None if demo else home / "state")
        self._assembly: Runtime | None = None
        self._exchange: Exchange | None = None
        self._site: GatewaySite | None = None
        self._tunnelling: TunnelSite | None = None
        self._transport = HttpTransport(reactor)
        self._offering = McpEndpoints(reactor, home, self._drain, self._transport, self._ask)
        self.listener: Listener | None = None
        self.problem = ""

    @property
    def simulator(self) -> Any:
        """The simulator of the demo, once it runs."""
        return None if self._demo is None else self._demo.simulator

    @property
    def settings(self) -> Settings:
        """What the gateway serves with now."""
        return self._first.settings if self._assembly is None else self._assembly.settings

    @property
    def source(self) -> Configuration | None:
        """Where the settings come from that the gateway serves with now."""
        return self._first.source if self._assembly is None else self._assembly.source

    def startService(self) -> Any:
        """Start everything; the Deferred that it returns fires when clients can come."""
        super().startService()  # type: ignore[no-untyped-call]
        self._children.startService()  # type: ignore[no-untyped-call]
        started = self._changing.run(self._start)
        started.addErrback(self._not_started)
        return started

    @inlineCallbacks
    def stopService(self) -> Any:
        """Stop listening, let running exchanges end, then close everything else."""
        super().stopService()  # type: ignore[no-untyped-call]
        yield self._changing.run(self._children.stopService)
        if self.problem:
            self.problem = ""
            yield self._note()
        self.log.info("the gateway has stopped")

    def hurry(self) -> None:
        """While the gateway stops, wait no longer for running exchanges."""
        self._drain.hurry()

    def reload(self) -> Any:
        """Serve with the configuration as it is now; running exchanges keep what they have.

        Return a Deferred that fires when that is so.  It fails, and nothing is changed, if the
        configuration cannot be used.
        """
        return self._changing.run(self._reload_and_note)

    @inlineCallbacks
    def _start(self) -> Any:
        self._add(Closing(self._forget_credentials))
        self._add(Closing(self._transport.close))
        if self._demo is not None:
            self._add(Closing(self._demo.stop))
            yield self._demo.start()
        self._pooling.pool.start()
        self._add(Closing(self._pooling.pool.stop))
        self._add(Closing(self._keeping.stop))
        yield self._keeping.start()
        self._assembly = assembly = self._assemble(self._first)
        self._pooling.use(assembly)
        self._add(Closing(self._stop_assembly))
        self._add(self._pooling.quotas)
        self._exchange = exchange = Exchange(self._services(assembly), assembly.snapshot)
        app = assembly.app(exchange, self._administration(), self._offering)
        self._site = site = app.site(self._reactor)
        self._tunnelling = tunnelling = TunnelSite(self._reactor, app, self._home)
        self._add(Closing(tunnelling.tunnel.close))
        self._add(Closing(site.close_all))
        self._add(Closing(self._finish_all))
        self._add(Closing(self._offering.stop))
        self._add(self._drain)
        self._add(Closing(self._stop_listening))
        self.listener = yield self._listen(assembly.settings)
        tunnelling.tunnel.use(assembly.settings)
        self._add(self._pooling.scheduler)
        yield self._note()

    def _warm_up(self, warmup: Warmup, begun: Callable[[], None]) -> Deferred[None]:
        assert self._exchange is not None
        return self._exchange.warm_up(warmup, begun)

    def _ask(self, question: Question) -> Deferred[str]:
        assert self._exchange is not None
        return self._exchange.ask(question)

    def _administration(self) -> Administration:
        def snapshot() -> Snapshot:
            assert self._assembly is not None
            return self._assembly.snapshot

        def tunnel() -> Tunnel:
            assert self._tunnelling is not None
            return self._tunnelling.tunnel

        return Administration(
            snapshot,
            lambda: self._drain.active,
            self.reload,
            tunnel,
            self._pooling.warmups,
            self._offering.status,
            self._configuration,
        )

    def _configuration(self) -> dict[str, object]:
        """Return which configuration is in force, and why a newer one is not."""
        source = self.source
        file = str(source.file) if source is not None and source.raw.has_file else None
        return {"file": file, "problem": self.problem}

    def _assemble(self, configured: LoadedConfiguration) -> Runtime:
        demo = self._demo
        if demo is not None:
            settings = demo_settings(configured.settings, demo.address)
            configured = replace(configured, settings=settings)
        assembly = Runtime(
            configured,
            self._home,
            self._transport,
            self._reactor,
            self._pooling.pool,
            self._accounts,
        )
        # Those of the configuration before, too: requests that run go on with them.
        before = frozenset() if self._assembly is None else self._assembly.credentials
        CREDENTIALS.hold(self, assembly.credentials | before)
        return assembly

    def _forget_credentials(self) -> None:
        CREDENTIALS.release(self)

    @inlineCallbacks
    def _reload_and_note(self) -> Any:
        """Reload, and remember why if that fails."""
        try:
            yield self._reload()
        except Exception as error:
            self.problem = str(error) or type(error).__name__
            yield self._note()
            raise
        if self.problem:
            self.log.info("the configuration can be used again")
        self.problem = ""
        yield self._note()

    def _note(self) -> Any:
        """Record the configuration in force, for the next start and for ``antigravity doctor``."""
        source = self.source
        if source is None or self._demo is not None:
            return None
        file = str(source.file) if source.raw.has_file else ""
        note = LastRun(file, effective_auth_mode(source.settings.proxy), self.problem)
        written = in_thread(self._reactor, write_last_run, self._home, note)
        return written.addErrback(self._not_noted)

    def _not_noted(self, failure: Any) -> None:
        failure.trap(OSError)
        self.log.warn(
            "cannot note the configuration in state/configuration.json: {error}",
            error=str(failure.value),
        )

    @inlineCallbacks
    def _reload(self) -> Any:
        if self._configure is None or not self.running or self._exchange is None:
            return
        old, before = self._assembly, self.listener
        new = self._assemble(self._configure())
        moved = endpoint_strings(new.settings.proxy) != endpoint_strings(self.settings.proxy)
        try:
            listener = (yield self._listen(new.settings)) if moved else before
        except Exception:
            yield new.stop()
            raise
        self._use(new, self._exchange)
        self.listener = listener
        if moved and before is not None:
            yield before.stopService()
        if old is not None:
            yield old.stop()
        yield self._keeping.use(new.settings)
        self.log.info("serving with the new configuration")

    def _use(self, assembly: Runtime, exchange: Exchange) -> None:
        """Serve new requests with ``assembly``."""
        app = assembly.app(exchange, self._administration(), self._offering)
        if assembly.settings.log.level != self.settings.log.level:
            txaio.set_global_log_level(assembly.settings.log.level)
        self._drain.grace = assembly.settings.proxy.shutdown_grace
        exchange.use(assembly.snapshot)
        self._pooling.use(assembly)
        assert self._site is not None
        assert self._tunnelling is not None
        # First: where authentication goes off, no stranger may still be in.
        self._tunnelling.tunnel.use(assembly.settings)
        self._tunnelling.serve(app)
        app.admission.key_throttle = self._site.admission.key_throttle
        self._site.resource, self._site.admission = app.resource(), app.admission
        self._assembly = assembly

    @inlineCallbacks
    def _listen(self, settings: Settings) -> Any:
        assert self._site is not None
        listener = Listener(self._reactor, self._site, settings.proxy)
        yield listener.listen()
        return listener

    def _stop_listening(self) -> Any:
        if self._tunnelling is not None:
            self._tunnelling.tunnel.leave()
        return None if self.listener is None else self.listener.stopService()

    def _finish_all(self) -> Any:
        """End what still runs with errors in the clients' protocols."""
        if not self._drain.active or self._site is None:
            return None
        self._transport.interrupt()
        return self._site.finish_all(_LAST_WORDS)

    def _stop_assembly(self) -> Any:
        return None if self._assembly is None else self._assembly.stop()

    def _services(self, assembly: Runtime) -> Services:
        clock = self._reactor
        responses, images = assembly.settings.responses, assembly.settings.images
        return Services(
            clock=clock,
            transport=self._transport,
            signatures=self._keeping.signatures,
            calibration=self._keeping.calibration,
            contexts=self._keeping.contexts,
            conversations=BoundedBytes(
                time.monotonic,
                max_entries=responses.max_entries,
                max_bytes=responses.max_bytes,
                ttl=responses.ttl,
            ),
            files=PublishedFiles(
                time.monotonic, max_bytes=images.url_max_bytes, ttl=images.url_ttl
            ),
            new_id=new_id,
            started=self._exchange_started,
            finished=self._exchange_finished,
            in_thread=self._in_thread,
            background=self._background,
            turns=self._turns,
        )

    def is_translating(self) -> bool:
        """Return whether a large request is translated now, in a thread."""
        return self._background.running

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Call a function that computes for long in a thread; few of them run at a time."""
        return self._computing.run(in_thread, self._reactor, function, *arguments)

    def _exchange_started(self, record: ExchangeRecord) -> None:
        self._drain.enter(record)
        self._notify("exchange_started", record)

    def _exchange_finished(self, record: ExchangeRecord) -> None:
        self._drain.leave(record)
        log_exchange(record)
        self._notify("exchange_finished", record)

    def _notify(self, hook: str, record: ExchangeRecord) -> None:
        if self._assembly is not None:
            self._assembly.plugins.notify(hook, record=record)

    def _add(self, service: Service) -> None:
        service.setServiceParent(self._children)

    def _not_started(self, failure: Any) -> Any:
        if self._failed is None:
            return failure
        self._failed(failure.value)
        return None
