"""The main process of a gateway with workers: a gateway that gives its ports away.

It has everything that exists once: the ledger, the budgets of keys, the schedule of warm-ups, the
tunnel, the dashboard.  Workers accept the connections of its ports, and pass on those that ask for
something of this.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, inlineCallbacks, succeed

from antigravity.app.front_end import FrontEnd
from antigravity.app.gateway import Gateway
from antigravity.app.running_parts import RunningParts
from antigravity.app.runtime import Runtime
from antigravity.app.worker_fleet import WorkerFleet
from antigravity.config.errors import ConfigurationError
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings
from antigravity.interfaces.spending import (
    ISpendingRenewal,
    SpendClaim,
    Spending,
    SpendReply,
)
from antigravity.services import Closing
from antigravity.web.listener import Listener
from antigravity.workers.commands import Batch
from antigravity.workers.supervisor import WorkerError
from antigravity.workers.worker import Command, Ports


class BoundListener(Listener):
    """Ports that are open, and from which this process accepts nothing."""

    @inlineCallbacks
    def listen(self) -> Any:
        """Return a Deferred that fires when all ports are open."""
        yield super().listen()
        for port in self.ports:
            port.stopReading()  # type: ignore[attr-defined]

    def endpoints(self) -> Ports:
        """Return the endpoint of each port."""
        return list(zip(self.descriptions, self.ports, strict=True))


class MainGateway(Gateway):
    """The main process of ``number`` workers.

    :param command: returns the arguments of a worker's process.
    """

    def __init__(self, *arguments: Any, number: int, command: Command, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.workers: WorkerFleet = WorkerFleet(
            self._reactor, number, _Services(self), command, lambda: self.drain.grace
        )
        self.keys.changed = self.workers.load_keys
        self._add(Closing(self.workers.close))  # the first one, which is stopped last
        self._is_open = False

    def stop_waiting(self) -> None:
        """Stop waiting for running requests while the gateway stops."""
        super().stop_waiting()
        self.workers.supervisor.stop_waiting()

    def stopService(self) -> Any:
        """Stop; a renewal of the workers is given up."""
        self.workers.supervisor.stop_starting()
        return super().stopService()

    @inlineCallbacks
    def _share_state(self, runtime: Runtime) -> Any:
        """Use the shared state that the configuration names, or else that of this process."""
        if not self._is_open:
            self._is_open = True
            yield self.workers.open()
        url = runtime.settings.state.url or Secret(self.workers.state_url)
        settings = replace(runtime.settings.state, url=url)
        yield self.state.configure(settings, runtime.registry.state_kinds)

    @inlineCallbacks
    def _listen(self, front_end: FrontEnd, settings: Settings) -> Any:
        """Open the ports, and let workers accept from them."""
        listener = BoundListener(self._reactor, front_end.site, settings.proxy)
        yield listener.listen()
        try:
            yield self.workers.listen(front_end.site)
            supervisor, ports = self.workers.supervisor, listener.endpoints()
            if self.parts is None or self.parts.listener is None:
                yield supervisor.start(ports)
            else:
                yield supervisor.renew(ports)
        except WorkerError as error:
            yield listener.stopService()
            raise ConfigurationError(str(error)) from error
        except Exception:
            yield listener.stopService()
            raise
        return listener

    @inlineCallbacks
    def _update_workers(self, listener: Listener, *, renews: bool) -> Any:
        """Let the workers reload, or new ones take their place."""
        assert isinstance(listener, BoundListener)
        supervisor = self.workers.supervisor
        try:
            yield supervisor.renew(listener.endpoints()) if renews else supervisor.reload()
        except WorkerError as error:
            raise ConfigurationError(str(error)) from error

    @inlineCallbacks
    def _stop_listening(self, parts: RunningParts) -> Any:
        parts.front_end.tunnel.leave()
        if self._record is not None:
            yield self._record.remove()
            self._record = None
        yield self.workers.supervisor.stop()
        yield super()._stop_listening(parts)

    def keep(self, batch: Batch) -> None:
        """Keep what a worker has recorded; it has exported its traces itself."""
        for record in batch.records:
            if self.metrics.is_enabled:
                self.metrics.requests.add(record)
            self.ledger.add(record)
        for kind, number in batch.refusals.items():
            for _ in range(number):
                self.ledger.add_refusal(kind)
        if batch.lost:
            self.log.error("a worker has lost {n} records", n=batch.lost)
        sink = self.ledger.payload_sink
        if sink is None:
            return
        for payloads in batch.payloads:
            if sink.reserve(payloads.reserved):
                sink.put(payloads)


class _Services:
    """What the main process does for workers; see :class:`MainServices`."""

    def __init__(self, gateway: MainGateway) -> None:
        self._gateway = gateway

    def keep(self, batch: Batch) -> None:
        """Keep what a worker has recorded."""
        self._gateway.keep(batch)

    def reserve(self, reservation: str, claims: list[SpendClaim]) -> Deferred[SpendReply]:
        """Reserve a part of budgets."""
        reply: Deferred[SpendReply] = self._gateway.keys.spending.reserve(reservation, claims)
        return reply

    def settle(self, reservation: str, spent: int) -> Deferred[None]:
        """Settle a reservation."""
        done: Deferred[None] = self._gateway.keys.spending.settle(reservation, spent)
        return done

    def renew(self, reservations: list[str]) -> Deferred[None]:
        """Let reservations count for longer."""
        spending = self._gateway.keys.spending
        renewal: Any = ISpendingRenewal(spending, None)
        done: Deferred[None] = succeed(None) if renewal is None else renewal.renew(reservations)
        return done

    def look(self, accounts: list[tuple[str, str]]) -> Deferred[list[Spending]]:
        """Return a Deferred with the state of budgets."""
        found: Deferred[list[Spending]] = self._gateway.keys.spending.look(accounts)
        return found
