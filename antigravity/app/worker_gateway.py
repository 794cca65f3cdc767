"""A worker: a gateway that serves models on the ports of its main process, and stores nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from antigravity.app.accounts import Warmups
from antigravity.app.administration import cancelled_by_operator, describe_running
from antigravity.app.front_end import FrontEnd
from antigravity.app.gateway import Gateway
from antigravity.app.prices import RequestPricer, price_rules
from antigravity.app.running_parts import RunningParts
from antigravity.app.runtime import Runtime
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings
from antigravity.interfaces.payloads import IPayloadSink
from antigravity.interfaces.state import StateError
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.payload_queue import PayloadQueue
from antigravity.logs import one_line
from antigravity.services import Closing
from antigravity.web.app import WebApp
from antigravity.web.listener import BACKLOG, Listener, server_endpoint
from antigravity.web.relay import Relay
from antigravity.workers.adoption import InheritedEndpoint, InheritedSocket
from antigravity.workers.balance import ConnectionTable
from antigravity.workers.commands import Listening, Report
from antigravity.workers.link import MainProcess

#: Seconds that idle connections of a worker stay open which another one has replaced: the next
#: request of their clients still gets its response, and then they are closed.
LINGER: Final = 5.0
#: Seconds that connections to the main process get then, and when the gateway stops.
_RELAY_GRACE: Final = 30.0
_LAST_RELAYS: Final = 2.0


class WorkerTask(Struct, frozen=True):
    """What the main process tells a worker when it starts.

    ``sockets`` are inherited, like the connection to the main process, ``channel``.  ``state`` is
    the address of shared state, unless the configuration names one; ``relay`` is the socket to
    which connections are passed on.  ``connections`` is the table of open connections, ``place``
    that of this worker.
    """

    channel: int
    sockets: Sequence[Listening]
    state: str
    relay: str
    connections: str
    place: int


class AdoptedListener(Listener):
    """Ports that the main process has opened."""

    def __init__(
        self, reactor: Any, factory: Any, sockets: Sequence[Listening], table: ConnectionTable
    ) -> None:
        self._table = table
        endpoints = [each.endpoint for each in sockets]
        super().__init__(reactor, factory, ProxySettings(listen=endpoints))
        self._descriptors = {each.endpoint: each.descriptor for each in sockets}

    @inlineCallbacks
    def listen(self) -> Any:
        """Return a Deferred that fires when all ports accept connections."""
        yield super().listen()
        for descriptor in self._descriptors.values():
            os.close(descriptor)  # the ports have their own

    def _note_open(self, port: Any) -> None:
        """Log nothing: the main process has."""

    def _endpoint(self, description: str) -> Any:
        descriptor = self._descriptors[description]
        if description.startswith(("systemd:", "fd:")):  # they name a descriptor themselves
            return InheritedEndpoint(self._reactor, descriptor, BACKLOG, self._table.is_ahead)
        inherited = InheritedSocket(self._reactor, descriptor, self._table.is_ahead)
        return server_endpoint(inherited, description)


class WorkerGateway(Gateway):
    """A worker, which the main process commands.

    :param task: what the main process has told.
    :param main: the main process.
    :param end: ends this process.
    """

    def __init__(
        self,
        *arguments: Any,
        task: WorkerTask,
        main: MainProcess,
        end: Callable[[], None],
        **options: Any,
    ) -> None:
        super().__init__(*arguments, main=main, **options)
        self._task = task
        self._main = main
        self._end = end
        self._relay = Relay(self._reactor, Path(task.relay))
        self._payloads = PayloadQueue(main.records.payloads_ready)
        main.records.payloads = self._payloads
        self._is_ending = False
        self._table = ConnectionTable(Path(task.connections), task.place)
        self.ledger.pricer = RequestPricer(self._home / "state")

    def startService(self) -> Any:
        """Return a Deferred that fires when this worker accepts connections."""
        self._main.connect(self._task.channel, self)
        return super().startService().addCallback(self._tell_started)

    @inlineCallbacks
    def stopService(self) -> Any:
        """Stop like any gateway, and leave the main process."""
        yield super().stopService()
        self._main.close()

    def _tell_started(self, _: object) -> None:
        if self.listener is not None:
            self._main.tell_started()

    # What the main process calls

    def reload(self, *, renews: bool = False) -> Any:
        """Read the configuration again; the Deferred fires when it is in force.

        It fails with a :class:`StateError` if it cannot be used.
        """
        return super().reload().addErrback(_explain)

    def report(self) -> Deferred[Report]:
        """Return a Deferred with what this worker does, once its records are sent."""
        sent: Deferred[Any] = self._main.records.flush()
        return sent.addCallback(lambda _: self._report())

    def cancel(self, name: str) -> bool:
        """Cancel a request with a reference, or those with an id."""
        parts = self._running_parts()
        return bool(parts.exchange.cancel(name, cancelled_by_operator()))

    def unlock(self, account: str, model: str) -> int:
        """End the locks of an account."""
        return self.accounts.pool.unlock(account, model) or 0

    def fix_account(self, credential: str | None) -> None:
        """Use one account for all requests that it can serve."""
        self.accounts.pool.fix(credential)

    def clear_bindings(self) -> None:
        """Forget which account serves which conversation."""
        self.accounts.pool.clear_bindings()

    def load_keys(self) -> Any:
        """Read the keys of clients; the Deferred fires when they are in force."""
        return self.keys.load()

    def end(self, grace: float, lingers: bool) -> None:
        """End this worker once its requests have, within ``grace`` seconds."""
        self.drain.grace = grace
        if self._is_ending:
            if not grace:
                self.stop_waiting()
            return
        self._is_ending = True
        if self.parts is not None:
            self.parts.front_end.site.lingers = lingers
        self._end()

    # What differs from a gateway of its own

    def _report(self) -> Report:
        parts, now = self._running_parts(), time.time()
        return Report(
            active=self.drain.active,
            running=[describe_running(each, now) for each in parts.exchange.running()],
            pool=self.accounts.pool.status(),
            sessions=dict(self.accounts.pool.session_uses),
            signatures=dict(self._lasting.learned.signatures.lookups),
            wrong_keys=parts.front_end.wrong_keys,
            lost=self._main.records.lost,
        )

    def _keep(self, record: ExchangeRecord) -> None:
        self._main.records.add(record)
        if record.trace is not None:
            self.traces.add(record)

    def _share_state(self, runtime: Runtime) -> Any:
        settings = runtime.settings.state
        url = settings.url or Secret(self._task.state)
        return self.state.configure(replace(settings, url=url), runtime.registry.state_kinds)

    @inlineCallbacks
    def _keep_records(self, runtime: Runtime) -> Any:
        settings = runtime.settings
        if self.parts is None:
            self._add(Closing(self._main.records.stop))
        self.ledger.pricer.use(price_rules(settings.prices, runtime.accounts.upstreams))
        self._payloads.keeps_all = settings.ledger.payloads == "all"
        yield self.traces.use(settings.traces)

    @property
    def _payload_sink(self) -> IPayloadSink | None:
        ledger = self.settings.ledger
        return self._payloads if ledger.enabled and ledger.payloads != "off" else None

    def _has_moved(self, new: Settings, old: Settings) -> bool:
        return False  # the main process opens the ports, and starts other workers for them

    def _log_reload(self) -> None:
        pass  # the main process says so for all

    def _build_app(self, front_end: FrontEnd, runtime: Runtime) -> WebApp:
        app = front_end.build_worker_app(runtime)
        app.admission.on_refusal = self._main.records.add_refusal
        return app

    def _use_metrics(self, settings: Settings) -> Any:
        return None

    def _use_tunnel(self, front_end: FrontEnd, settings: Settings) -> None:
        pass

    def _schedule_warmups(self, warmups: Warmups) -> None:
        pass

    @inlineCallbacks
    def _listen(self, front_end: FrontEnd, settings: Settings) -> Any:
        self._relay.serve(front_end.site)
        front_end.site.count = self._table.set
        self._table.set(0)
        sockets = self._task.sockets
        listener = AdoptedListener(self._reactor, front_end.site, sockets, self._table)
        yield listener.listen()
        return listener

    @inlineCallbacks
    def _stop_listening(self, parts: RunningParts) -> Any:
        site, listener = parts.front_end.site, parts.listener
        site.count = None
        self._table.leave()
        if listener is not None:
            yield listener.stopService()
        if site.lingers:
            yield site.wait_until_empty(LINGER)
            site.close_idle()
        yield deferLater(self._reactor, 0)  # what has arrived by now begins
        yield self._relay.finish(_RELAY_GRACE if site.lingers else _LAST_RELAYS)


def _explain(failure: Failure) -> None:
    """Tell the main process in words why a reload failed."""
    problem = one_line(str(failure.value) or type(failure.value).__name__)
    raise StateError(problem) from failure.value
