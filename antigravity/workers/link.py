"""The main process, as a worker sees it."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.logs import make_logger
from antigravity.workers.channel import Channel, ChannelFactory
from antigravity.workers.commands import OF_WORKER
from antigravity.workers.records import SEND_TIMEOUT, WorkerRecords
from antigravity.workers.spending import MainSpending

#: Seconds for a reservation: the request waits for it.
_CALL_TIMEOUT: Final = 5.0


class MainProcess:
    """The connection of a worker to the main process.

    :param lost: called when the main process has ended.
    :ivar records: takes what the worker records.
    :ivar spending: the budgets of keys.
    """

    log = make_logger()

    def __init__(self, reactor: Any, lost: Callable[[], None]) -> None:
        self._reactor = reactor
        self._lost = lost
        self._is_ending = False
        self.channel: Channel | None = None
        self.records = WorkerRecords(
            reactor, lambda batch: self._call("keep", batch, timeout=SEND_TIMEOUT)
        )
        self.spending = MainSpending(self._call)

    def connect(self, descriptor: int, target: object) -> None:
        """Use the inherited connection; the main process may call the methods of ``target``."""
        self.channel = Channel(self._reactor, target, OF_WORKER, self._disconnected)
        self._reactor.adoptStreamConnection(
            descriptor, socket.AF_UNIX, ChannelFactory(self.channel)
        )
        os.close(descriptor)  # the connection has its own

    def tell_started(self) -> None:
        """Say that this worker accepts connections."""
        assert self.channel is not None
        self.channel.tell("started")

    def tell_failed(self, problem: str) -> Deferred[Any]:
        """Say why this worker cannot start; the Deferred fires when that is known."""
        return self._call("failed", problem).addErrback(lambda _: None)

    def close(self) -> None:
        """Close the connection: nothing more will be said."""
        self._is_ending = True
        if self.channel is not None:
            self.channel.close()

    def _call(self, method: str, *arguments: Any, timeout: float = _CALL_TIMEOUT) -> Deferred[Any]:
        assert self.channel is not None
        return self.channel.call(method, *arguments, timeout=timeout)

    def _disconnected(self) -> None:
        if not self._is_ending:
            self.log.error("the main process has ended: this worker ends, too")
            self._lost()
