"""The workers of a gateway: the state that they share, their reports, and commands to them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import UNIXServerEndpoint

from antigravity.app.workers import Workers
from antigravity.interfaces.administration import RunningRequest
from antigravity.interfaces.status import PoolStatus, WorkerStatus
from antigravity.logs import make_logger
from antigravity.state.local_server import LocalStateServer
from antigravity.state.memory import MemoryState
from antigravity.web.relay import RelayedFactory
from antigravity.web.site import GatewaySite
from antigravity.workers.balance import ConnectionTable
from antigravity.workers.commands import Report
from antigravity.workers.reports import add_counts, count_locks, merge_pools
from antigravity.workers.supervisor import Supervisor
from antigravity.workers.worker import Command, MainServices, Worker

STATE_SOCKET: Final = "state.sock"
CONNECTIONS_FILE: Final = "connections"
RELAY_SOCKET: Final = "main.sock"


class WorkerFleet:
    """All workers; see :class:`Workers`.

    Their sockets are in a directory that only this user can read.

    :param command: returns the arguments of a worker's process.
    :param grace: returns how many seconds requests get when the gateway stops.
    :ivar directory: the directory, empty before :meth:`open`.
    :ivar supervisor: keeps the processes running.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        number: int,
        services: MainServices,
        command: Command,
        grace: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self.directory = Path()
        self.supervisor = Supervisor(reactor, number, services, command, grace)
        self._state: LocalStateServer | None = None
        self._relay: Any = None
        self._table: ConnectionTable | None = None

    @property
    def state_url(self) -> str:
        """The address of the state that the processes share, unless they use a server."""
        return f"unix:{self.directory / STATE_SOCKET}"

    @property
    def relay_socket(self) -> Path:
        """The socket to which workers pass connections on."""
        return self.directory / RELAY_SOCKET

    @property
    def connections_file(self) -> Path:
        """The table of open connections."""
        return self.directory / CONNECTIONS_FILE

    @inlineCallbacks
    def open(self) -> Any:
        """Serve the shared state."""
        self.directory = Path(tempfile.mkdtemp(prefix="antigravity-workers-"))
        self._table = self.supervisor.table = ConnectionTable(self.connections_file)
        state = MemoryState(self._reactor)
        self._state = LocalStateServer(self._reactor, state, self.directory / STATE_SOCKET)
        yield self._state.start()

    @inlineCallbacks
    def listen(self, site: GatewaySite) -> Any:
        """Serve the requests that workers pass on, with ``site``."""
        if self._relay is None:
            path = str(self.relay_socket)
            endpoint = UNIXServerEndpoint(self._reactor, path, backlog=1024, mode=0o600)
            self._relay = yield endpoint.listen(RelayedFactory(site, self.refresh))

    @inlineCallbacks
    def close(self) -> Any:
        """Close all sockets; the workers must have ended."""
        relay, self._relay = self._relay, None
        if relay is not None:
            yield relay.stopListening()
        state, self._state = self._state, None
        if state is not None:
            yield state.stop()
            if self._table is not None:
                self._table.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    # What the operator's interface asks

    @property
    def active(self) -> int:
        """How many requests they serve."""
        return sum(report.active for _, report in self._reports())

    @property
    def wrong_keys(self) -> int:
        """How many wrong keys were sent to them."""
        return sum(report.wrong_keys for _, report in self._reports())

    def refresh(self) -> Deferred[Any]:
        """Ask for reports; the Deferred fires when they are there, or a second is over."""
        return self.supervisor.refresh()

    def status(self) -> list[WorkerStatus]:
        """Return the state of each."""
        return self.supervisor.status()

    def running(self) -> list[RunningRequest]:
        """Return their requests."""
        return [each for _, report in self._reports() for each in report.running]

    def add_pools(self, own: PoolStatus) -> PoolStatus:
        """Return a status of accounts with the requests and locks of all."""
        return merge_pools(own, [report.pool for _, report in self._reports()])

    def add_sessions(self, own: Mapping[str, int]) -> Mapping[str, int]:
        """Return how often sessions kept their account, in all processes."""
        return add_counts([own, *(report.sessions for _, report in self._reports())])

    def add_signatures(self, own: Mapping[str, int]) -> Mapping[str, int]:
        """Return how often thinking was found, in all processes."""
        return add_counts([own, *(report.signatures for _, report in self._reports())])

    def cancel(self, name: str) -> bool:
        """Cancel a request; return whether a worker serves it."""
        found = [
            worker
            for worker, report in self._reports()
            if any(name in (each.reference, each.id) for each in report.running)
        ]
        for worker in found:
            worker.channel.tell("cancel", name)
        return bool(found)

    def unlock(self, account: str, model: str) -> int:
        """End the locks of an account; return how many there were."""
        self._tell_all("unlock", account, model)
        return count_locks([report.pool for _, report in self._reports()], account, model)

    def fix_account(self, credential: str | None) -> None:
        """Use one account for all requests that it can serve."""
        self._tell_all("fix_account", credential)

    def clear_bindings(self) -> None:
        """Forget which account serves which conversation."""
        self._tell_all("clear_bindings")

    def load_keys(self) -> Any:
        """Let all read the keys; the Deferred fires when they have."""
        return self.supervisor.ask_all("load_keys")

    def _reports(self) -> Iterator[tuple[Worker, Report]]:
        for worker in self.supervisor:
            if worker.report is not None and worker.state != "ended":
                yield worker, worker.report

    def _tell_all(self, method: str, *arguments: Any) -> None:
        for worker in self.supervisor:
            if worker.state in ("serving", "draining"):
                worker.channel.tell(method, *arguments)


_: type[Workers] = WorkerFleet
