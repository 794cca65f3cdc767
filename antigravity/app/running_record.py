"""Writes the record of the running gateway, which commands read to find it."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from antigravity.config.running_gateway import (
    RunningGateway,
    process_start,
    remove_running_gateway,
    write_running_gateway,
)
from antigravity.deferreds import call_in_thread
from antigravity.logs import make_logger
from antigravity.version import VERSION


class RunningRecord:
    """The record in ``home`` of this process, which uses the configuration in ``file``."""

    log = make_logger()

    def __init__(self, reactor: Any, home: Path, file: Path) -> None:
        self._reactor = reactor
        self._home = home
        self._file = file
        self._started = 0.0

    def write(self, addresses: tuple[str, ...], *, demo: bool) -> Deferred[Any]:
        """Return a Deferred that fires when the record is written, or could not be."""
        self._started = self._started or time.time()
        write = partial(self._write, addresses, demo)
        return call_in_thread(self._reactor, write).addErrback(self._not_written)

    def remove(self) -> Deferred[Any]:
        """Return a Deferred that fires when the record is removed, or could not be."""
        remove = call_in_thread(self._reactor, remove_running_gateway, self._home, os.getpid())
        return remove.addErrback(self._not_written)

    def _write(self, addresses: tuple[str, ...], demo: bool) -> None:
        pid = os.getpid()
        record = RunningGateway(
            pid, process_start(pid), addresses, str(self._file), self._started, VERSION, demo
        )
        other = write_running_gateway(self._home, record)
        if other is not None:
            self.log.warn(
                "process {pid} is a gateway with the same home {home}; commands find that one",
                pid=other.pid,
                home=str(self._home),
            )

    def _not_written(self, failure: Any) -> None:
        failure.trap(OSError)
        self.log.warn("cannot write state/gateway.json: {e}", e=str(failure.value))
