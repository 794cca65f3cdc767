"""The gateway as one service, which stops its parts in the reverse order of their start."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import DeferredLock, inlineCallbacks
from twisted.internet.task import deferLater
from txaio import tx as txaio

from antigravity.app.accounts import Warmups
from antigravity.app.build import new_id
from antigravity.app.configuration_status import ConfigurationStatus
from antigravity.app.front_end import FrontEnd
from antigravity.app.lasting_parts import LastingParts
from antigravity.app.mcp.call_records import CallRecords
from antigravity.app.mcp.endpoints import McpEndpoints
from antigravity.app.prices import price_rules
from antigravity.app.running_parts import EndDemo, Predecessor, RunningParts
from antigravity.app.running_record import RunningRecord
from antigravity.app.runtime import Configure, LoadedConfiguration, Runtime
from antigravity.app.workers import NoWorkers, Workers
from antigravity.config.settings import Settings
from antigravity.config.snapshot import Configuration
from antigravity.config.state_settings import StateSettings
from antigravity.dashboard.routes import DashboardState
from antigravity.exchange.service import Exchange
from antigravity.interfaces.payloads import IPayloadSink
from antigravity.ir.record import ExchangeRecord
from antigravity.logs import make_logger
from antigravity.plugins import PluginHost
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.services import Closing, SequentialService
from antigravity.web.app import WebApp
from antigravity.web.listener import Listener, endpoint_strings

if TYPE_CHECKING:
    from antigravity.workers.link import MainProcess

#: Seconds to write errors for the requests that are cut off.
_FINAL_ERRORS = 2.0


class Gateway(Service):
    """The whole gateway.

    ``source`` has the files that the settings were read from.  ``demo`` serves every model from a
    built-in simulator.  ``configure`` reads the configuration again for :meth:`reload`.  ``failed``
    is called when the gateway cannot start.  ``record`` tells commands where the gateway listens.
    ``configured`` is called with the settings of each reload.
    ``end_demo`` is asked at each reload of a demo; ``predecessor`` is the demo that it ended.
    ``main`` is the main process of a worker, which stores no state.

    :ivar status: the state of the configuration.
    :ivar parts: the running parts, ``None`` before the start.
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
        configured: Callable[[Settings], None] | None = None,
        record: RunningRecord | None = None,
        end_demo: EndDemo | None = None,
        predecessor: Predecessor | None = None,
        main: MainProcess | None = None,
    ) -> None:
        self._reactor = reactor
        self._home = home
        self._first = LoadedConfiguration(settings, plugins, source)
        self._configure = configure
        self._failed = failed
        self._configured = configured
        self._record = record
        self._end_demo = end_demo if demo else None
        self._predecessor = predecessor
        self._children = SequentialService()  # type: ignore[no-untyped-call]
        self._changing = DeferredLock()
        self.workers: Workers = NoWorkers()
        self._lasting = lasting = LastingParts(
            reactor,
            settings,
            home,
            plugins,
            demo=demo,
            main=main,
            keep=self._keep,
            running=self._running_parts,
            workers=lambda: self.workers,
        )
        self.status = ConfigurationStatus(reactor, lasting.state_home, source)
        self.accounts, self.keys, self.state = lasting.accounts, lasting.keys, lasting.state
        self.transport, self.drain = lasting.transport, lasting.drain
        self.ledger, self.metrics, self.traces = lasting.ledger, lasting.metrics, lasting.traces
        #: The parameters that upstreams have refused.
        self.refusals = lasting.learned.refusals
        self.parts: RunningParts | None = None

    @property
    def simulator(self) -> Any:
        """The simulator of the demo, once it runs."""
        return None if self._lasting.demo is None else self._lasting.demo.simulator

    @property
    def is_demo(self) -> bool:
        """Whether a simulator serves every model."""
        return self._lasting.demo is not None

    @property
    def runtime(self) -> Runtime:
        """What was built from the configuration in force; there is none before the start."""
        assert self.parts is not None
        return self.parts.runtime

    @property
    def accepts_accounts(self) -> bool:
        """Whether accounts can be added: to all but a demo that goes on whatever is configured."""
        return self._lasting.demo is None or self._end_demo is not None

    @property
    def configured_settings(self) -> Settings:
        """The settings as they are configured, also in a demo."""
        source = self.status.source
        return source.settings if self.is_demo and source is not None else self.settings

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._first.settings if self.parts is None else self.parts.runtime.settings

    @property
    def listener(self) -> Listener | None:
        """The listener with the open ports, ``None`` before the start."""
        return None if self.parts is None else self.parts.listener

    @property
    def requests(self) -> int:
        """The number of running requests."""
        return self.drain.active

    @property
    def is_translating(self) -> bool:
        """Whether a large request is being translated in a thread."""
        return self._lasting.background.running

    @property
    def configuration(self) -> object:
        """The runtime in force, ``None`` before the start; a reload replaces it."""
        return None if self.parts is None else self.parts.runtime

    def startService(self) -> Any:
        """Return a Deferred that fires when the gateway accepts connections."""
        super().startService()  # type: ignore[no-untyped-call]
        self._children.startService()  # type: ignore[no-untyped-call]
        started = self._changing.run(self._start)
        started.addErrback(self._report_failed_start)
        return started

    @inlineCallbacks
    def stopService(self) -> Any:
        """Stop listening, let running requests end, then close everything else."""
        super().stopService()  # type: ignore[no-untyped-call]
        yield self._changing.run(self._children.stopService)
        if self.status.problem:
            self.status.problem = ""
            yield self.status.record()
        self.log.info("the gateway has stopped")

    def predecessor(self) -> Predecessor:
        """Return what a successor takes over from this running gateway."""
        assert self.parts is not None
        assert self.parts.listener is not None
        front_end = self.parts.front_end
        return Predecessor(self.parts.listener, front_end.site, front_end.dashboard, self.metrics)

    def retire(self, grace: float) -> None:
        """Leave ports and record to a successor; running requests get ``grace`` seconds."""
        self.drain.grace = min(self.drain.grace, grace)
        self._record = self._end_demo = None
        if self.parts is not None and self.parts.front_end.site.successor is not None:
            self.parts.listener = None

    def stop_waiting(self) -> None:
        """Stop waiting for running requests while the gateway stops."""
        self.drain.stop_waiting()

    def reload(self, *, renews: bool = False) -> Any:
        """Read the configuration again and serve new requests with it.

        Return a Deferred that fires when it is in force.  If it cannot be used, the Deferred fails
        and the gateway keeps the old configuration.

        :param renews: whether new processes replace the workers, which otherwise reload as well.
        """
        return self._changing.run(self._reload_and_record, renews)

    @inlineCallbacks
    def _start(self) -> Any:
        """Build everything in the order of its dependencies; it stops in the reverse order."""
        add = self._add
        add(Closing(partial(CREDENTIALS.release, self)))
        add(Closing(self.transport.close))
        if self._lasting.demo is not None:
            add(Closing(self._lasting.demo.stop))
            yield self._lasting.demo.start()
        self.accounts.pool.start()
        add(Closing(self.accounts.pool.stop))
        add(Closing(self._lasting.learned.stop))
        yield self._lasting.learned.start()
        runtime = self._build(self._first)
        add(Closing(self.keys.stop))
        yield self._use_keys(runtime)
        add(Closing(self.state.stop))
        yield self._share_state(runtime)
        add(Closing(self.ledger.stop))
        add(Closing(self.traces.stop))
        yield self._keep_records(runtime)
        self.accounts.use(runtime)
        add(Closing(self.keys.stop_sharing))
        yield self.keys.start_sharing(self.state)
        add(Closing(self.accounts.pool.stop_sharing))
        yield self.accounts.pool.start_sharing()
        parts, mcp = self._make_parts(runtime)
        self.parts, front_end, old = parts, parts.front_end, self._predecessor
        add(Closing(lambda: parts.runtime.stop()))
        add(self.accounts.quotas)
        front_end.serve(self._build_app(front_end, runtime))
        add(Closing(front_end.tunnel.close))
        add(Closing(front_end.site.close_all))
        add(Closing(partial(self._finish_requests, front_end)))
        add(Closing(front_end.dashboard.stop))
        add(Closing(mcp.stop))
        add(self.drain)
        add(Closing(partial(self._stop_listening, parts)))
        if old is not None and old.listener.serves(runtime.settings.proxy):
            old.site.hand_over(front_end.site)
            parts.listener = old.listener
        else:
            parts.listener = yield self._listen(front_end, runtime.settings)
        yield self._announce(parts)
        add(Closing(self.metrics.stop))
        if old is not None:
            yield old.metrics.stop()
        yield self._use_metrics(runtime.settings)
        self._use_tunnel(front_end, runtime.settings)
        self._schedule_warmups(parts.warmups)
        yield self.status.record()

    def _make_parts(self, runtime: Runtime) -> tuple[RunningParts, McpEndpoints]:
        """Return the parts that serve requests; nothing of them has begun."""
        reactor, old = self._reactor, self._predecessor
        exchange = Exchange(self._lasting.exchange_services(runtime.settings), runtime.snapshot)
        exchange.payloads = self._payload_sink
        warmups = Warmups(reactor, self._lasting.state_home, self.accounts, exchange.warm_up)
        warmups.use(runtime.settings)
        observers = self._lasting.observers
        records = CallRecords(reactor, new_id, observers.call_started, observers.call_finished)
        mcp = McpEndpoints(
            reactor, self._home, self.drain, self.transport, exchange.ask, records.observe
        )
        dashboard = DashboardState(reactor) if old is None else old.dashboard
        front_end = FrontEnd(
            reactor, self._home, exchange, mcp, warmups.on_demand, self, dashboard, self.state
        )
        return RunningParts(runtime, exchange, warmups, front_end), mcp

    def _build_app(self, front_end: FrontEnd, runtime: Runtime) -> WebApp:
        return front_end.build_app(runtime)

    def _use_metrics(self, settings: Settings) -> Any:
        return self.metrics.use(settings)

    def _use_tunnel(self, front_end: FrontEnd, settings: Settings) -> None:
        front_end.tunnel.use(settings)

    def _schedule_warmups(self, warmups: Warmups) -> None:
        self._add(warmups.scheduler)

    def _running_parts(self) -> RunningParts:
        assert self.parts is not None
        return self.parts

    def _keep(self, record: ExchangeRecord) -> None:
        """Keep what is known of a finished exchange."""
        if self.metrics.is_enabled:
            self.metrics.requests.add(record)
        self.ledger.add(record)
        if record.trace is not None:
            self.traces.add(record)

    def _share_state(self, runtime: Runtime) -> Any:
        """Use the shared state that the configuration names; a demo shares nothing."""
        settings = StateSettings() if self.is_demo else runtime.settings.state
        return self.state.configure(settings, runtime.registry.state_kinds)

    def _use_keys(self, runtime: Runtime) -> Any:
        """Use the keys of the store that the configuration names."""
        return self.keys.use(runtime.settings, runtime.registry.key_store_kinds)

    @inlineCallbacks
    def _keep_records(self, runtime: Runtime) -> Any:
        """Keep the ledger and the traces that the configuration wants, with its prices."""
        settings = runtime.settings
        self.ledger.pricer.use(price_rules(settings.prices, runtime.accounts.upstreams))
        self.ledger.hide(runtime.accounts.masked_addresses)
        yield self.ledger.use(settings.ledger)
        yield self.traces.use(settings.traces)

    def _build(self, configuration: LoadedConfiguration) -> Runtime:
        runtime = self._lasting.build(configuration)
        # Running requests still use the credentials of the previous configuration.
        before = frozenset() if self.parts is None else self.parts.runtime.secrets()
        CREDENTIALS.hold(self, runtime.secrets() | before)
        return runtime

    @inlineCallbacks
    def _reload_and_record(self, renews: bool) -> Any:
        try:
            yield self._reload(renews)
        except Exception as error:
            self.status.problem = str(error) or type(error).__name__
            yield self.status.record()
            raise
        if self.status.problem:
            self.log.info("the configuration can be used again")
        self.status.problem = ""
        yield self.status.record()

    @inlineCallbacks
    def _reload(self, renews: bool) -> Any:
        parts = self.parts
        if self._configure is None or not self.running or parts is None:
            return
        yield self.keys.load()  # first: a key that was removed must go, whatever else is wrong
        old, old_listener = parts.runtime, parts.listener
        configuration = self._configure(self.status.source)
        if self._end_demo is not None and (ended := self._end_demo(configuration)) is not None:
            yield ended
            return
        new = self._build(configuration)
        moved = self._has_moved(new.settings, old.settings)
        listener = old_listener
        try:
            yield self._share_state(new)
            yield self._use_keys(new)
            if moved:
                listener = yield self._listen(parts.front_end, new.settings)
        except Exception:
            yield new.stop()
            yield self._share_state(old)
            yield self._use_keys(old)
            raise
        self._use(new, parts)
        parts.listener = listener
        if moved:
            yield self._announce(parts)
        elif listener is not None:
            yield self._update_workers(listener, renews=renews)
        if moved and old_listener is not None:
            yield old_listener.stopService()
        yield old.stop()
        yield self.accounts.refresh_shared()
        yield self._lasting.learned.use(new.settings)
        yield self._keep_records(new)
        parts.exchange.payloads = self._payload_sink
        yield self._use_metrics(new.settings)
        self._log_reload()

    def _has_moved(self, new: Settings, old: Settings) -> bool:
        """Return whether other ports are to be opened."""
        return endpoint_strings(new.proxy) != endpoint_strings(old.proxy)

    def _update_workers(self, listener: Listener, *, renews: bool) -> Any:
        """Do nothing: there are none."""

    def _log_reload(self) -> None:
        self.log.info("serving with the new configuration")

    @property
    def _payload_sink(self) -> IPayloadSink | None:
        """What takes bodies, ``None`` if they are not kept."""
        return self.ledger.payload_sink

    def _use(self, runtime: Runtime, parts: RunningParts) -> None:
        """Serve new requests with ``runtime``."""
        settings, front_end = runtime.settings, parts.front_end
        app = self._build_app(front_end, runtime)
        if settings.log.level != parts.runtime.settings.log.level:
            txaio.set_global_log_level(settings.log.level)
        if self._configured is not None:
            self._configured(settings)
        self.drain.grace = settings.proxy.shutdown_grace
        self.transport.use(settings.proxy.http_client)
        self.refusals.clear()
        parts.exchange.use(runtime.snapshot)
        self.accounts.use(runtime)
        parts.warmups.use(settings)
        self._lasting.observers.plugins = runtime.configuration.plugins
        # Before the application: it closes the tunnel if authentication is switched off.
        self._use_tunnel(front_end, settings)
        front_end.serve(app)
        parts.runtime = runtime
        self.status.source = runtime.configuration.source

    @inlineCallbacks
    def _listen(self, front_end: FrontEnd, settings: Settings) -> Any:
        listener = Listener(self._reactor, front_end.site, settings.proxy)
        yield listener.listen()
        return listener

    def _announce(self, parts: RunningParts) -> Any:
        """Say in the home where the gateway listens."""
        if self._record is None or parts.listener is None:
            return None
        return self._record.write(parts.listener.addresses, demo=self.is_demo)

    @inlineCallbacks
    def _stop_listening(self, parts: RunningParts) -> Any:
        parts.front_end.tunnel.leave()
        if self._record is not None:
            yield self._record.remove()
        if parts.listener is not None:
            yield parts.listener.stopService()
            # Requests that have arrived by now begin, and are waited for.
            yield deferLater(self._reactor, 0)

    def _finish_requests(self, front_end: FrontEnd) -> Any:
        """End all running requests with errors in their clients' protocols."""
        if not self.drain.active:
            return None
        self.transport.interrupt()
        return front_end.site.finish_all(_FINAL_ERRORS)

    def _add(self, service: Service) -> None:
        service.setServiceParent(self._children)

    def _report_failed_start(self, failure: Any) -> Any:
        if self._failed is None:
            return failure
        self._failed(failure.value)
        return None
