"""One worker, as the main process sees it: its process, its connection, and its log."""

# ruff: noqa: N802 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from antigravity.daemon.log_lines import LinePublisher
from antigravity.interfaces.spending import SpendClaim, Spending, SpendReply
from antigravity.logs import make_logger
from antigravity.workers.channel import Channel, ChannelFactory
from antigravity.workers.commands import OF_MAIN, Batch, Listening, Report

State = Literal["starting", "serving", "draining", "ended"]
#: The descriptor of a worker's connection to the main process, and of its first listening socket.
CHANNEL: Final = 3
_FIRST_SOCKET: Final = 4
#: Seconds that a worker may take to start, and to end besides those for its requests.
_START_TIMEOUT: Final = 120.0
_END_TIMEOUT: Final = 15.0


class MainServices(Protocol):
    """What the main process does for workers."""

    def keep(self, batch: Batch) -> None:
        """Keep what a worker has recorded."""

    def reserve(self, reservation: str, claims: list[SpendClaim]) -> Deferred[SpendReply]:
        """Reserve a part of budgets; see :class:`ISpending`."""

    def settle(self, reservation: str, spent: int) -> Deferred[None]:
        """Settle a reservation."""

    def renew(self, reservations: list[str]) -> Deferred[None]:
        """Let reservations count for longer; see :class:`ISpendingRenewal`."""

    def look(self, accounts: list[tuple[str, str]]) -> Deferred[list[Spending]]:
        """Return a Deferred with the state of budgets."""


#: Returns the arguments of a worker's process, given the sockets that it inherits, and its place
#: in the table of connections.
Command = Callable[[Sequence[Listening], int], list[str]]
#: Endpoints, each with its open port.
Ports = Sequence[tuple[str, Any]]


class Worker(ProcessProtocol):
    """A worker from its start to its end.

    :param number: its place among the workers, from 1 on.
    :ivar problem: why it cannot start, or has ended unasked.
    :ivar report: the newest report, ``None`` before the first.
    :ivar began: when it began to start, and then when it began to serve.
    :ivar started: fires with the problem when it serves or has ended; empty if it serves.
    :ivar ended: fires when its process has ended.
    """

    log = make_logger()

    def __init__(self, reactor: Any, number: int, services: MainServices) -> None:
        self._reactor = reactor
        self.number = number
        self.state: State = "starting"
        self.pid = 0
        self.began: float = reactor.seconds()
        self.problem = ""
        self.report: Report | None = None
        self.started: Deferred[str] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self.channel = Channel(reactor, _Calls(self, services), OF_MAIN, lambda: None)
        self._timer: IDelayedCall | None = None
        #: Seconds that its requests were given, once it was told to end.
        self._grace = float("inf")
        self._log_lines = LinePublisher(f"worker {number}")

    def spawn(self, command: Command, ports: Ports, place: int) -> None:
        """Start the process, which inherits the sockets of ``ports``, and has a place."""
        ours, theirs = socket.socketpair()
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            for each in (ours, theirs):
                each.setblocking(False)
            descriptors: dict[int, Any] = {0: nothing, 1: "r", 2: "r", CHANNEL: theirs.fileno()}
            listening = []
            for number, (endpoint, port) in enumerate(ports, _FIRST_SOCKET):
                descriptors[number] = port.fileno()
                listening.append(Listening(endpoint, number))
            arguments = command(listening, place)
            process = self._reactor.spawnProcess(
                self, arguments[0], arguments, env=_environment(), childFDs=descriptors
            )
            self.pid = process.pid or 0
            self._reactor.adoptStreamConnection(
                ours.fileno(), socket.AF_UNIX, ChannelFactory(self.channel)
            )
        finally:
            os.close(nothing)
            ours.close()
            theirs.close()
        self._timer = self._reactor.callLater(_START_TIMEOUT, self._not_started)

    def note_start(self) -> None:
        """Note that it accepts connections."""
        if self.state == "starting":
            self._stop_timer()
            self.state = "serving"
            self.log.info(
                "worker {n} (process {pid}) serves after {seconds} s",
                n=self.number,
                pid=self.pid,
                seconds=round(self._reactor.seconds() - self.began, 2),
            )
            self.began = self._reactor.seconds()
            self.started.callback("")

    def refresh(self, timeout: float) -> Deferred[None]:
        """Ask for a report; the Deferred fires when it is there, or does not come in time."""
        if self.state not in ("serving", "draining"):
            return succeed(None)
        asked = self.channel.call("report", timeout=timeout)
        return asked.addCallbacks(self._keep_report, self._report_missing)

    def end(self, grace: float, *, lingers: bool) -> None:
        """Let it accept no more connections, and end when its requests have, within ``grace``.

        :param lingers: whether idle connections stay open for a while, so that their next request
            gets a response.
        """
        if self.state == "ended" or grace >= self._grace:
            return
        self._grace = grace
        was_starting = self.state == "starting"
        self.state = "draining"
        self._stop_timer()
        if was_starting:
            self.kill()
            return
        self.channel.tell("end", grace, lingers)
        self._timer = self._reactor.callLater(grace + _END_TIMEOUT, self._not_ended)

    def kill(self) -> None:
        """End the process now."""
        if self.state != "ended" and self.transport is not None:
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess("KILL")

    def _keep_report(self, report: Report) -> None:
        self.report = report

    def _report_missing(self, failure: Failure) -> None:
        if self.state != "ended":
            self.log.warn(
                "worker {n} does not report: {error}", n=self.number, error=str(failure.value)
            )

    def _not_started(self) -> None:
        self._timer = None
        self.problem = f"it did not start within {_START_TIMEOUT:g} seconds"
        self.kill()

    def _not_ended(self) -> None:
        self._timer = None
        self.log.warn("worker {n} did not end in time and is killed", n=self.number)
        self.kill()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    # What the reactor calls

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N803
        """Write a part of its log."""
        (self._log_lines.feed if childFD == 1 else self._log_lines.feed_errors)(data)

    def processEnded(self, reason: Failure) -> None:
        """Note that the process has ended, and why."""
        was_asked = self.state == "draining"
        self.state = "ended"
        self._stop_timer()
        self.channel.close()
        if not was_asked:
            self.problem = self.problem or _describe(reason)
        if not self.started.called:
            self.started.callback(self.problem or "it was stopped")
        self.ended.callback(None)


class _Calls:
    """What a worker may call."""

    def __init__(self, worker: Worker, services: MainServices) -> None:
        self._worker = worker
        self.keep = services.keep
        self.reserve = services.reserve
        self.settle = services.settle
        self.renew = services.renew
        self.look = services.look

    def started(self) -> None:
        """Note that the worker accepts connections."""
        self._worker.note_start()

    def failed(self, problem: str) -> None:
        """Note why it cannot start; its process ends."""
        self._worker.problem = problem


def _environment() -> dict[str, str]:
    """Return the environment of a worker, which writes its log in UTF-8."""
    return {**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"}


def _describe(reason: Failure) -> str:
    """Return how a process has ended."""
    error: Any = reason.value
    if isinstance(error, ProcessDone):
        return "it ended by itself"
    if isinstance(error, ProcessTerminated) and error.signal is not None:
        return f"it was ended by signal {error.signal}"
    return f"it ended with exit code {getattr(error, 'exitCode', None)}"
