"""The state of the configuration: what is in force, and the problem of a newer version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from antigravity.config.last_run import LastRun, write_last_run
from antigravity.config.settings import effective_auth_mode
from antigravity.config.snapshot import Configuration
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.status import ConfigurationState
from antigravity.logs import make_logger


class ConfigurationStatus:
    """The configuration in force, recorded for the next start and for ``antigravity doctor``.

    It is recorded in ``home``, unless that is ``None``.

    :ivar source: the configuration in force, ``None`` if it was not read from files.
    :ivar problem: the reason why the newest configuration is not in force; empty if it is.
    """

    log = make_logger()

    def __init__(self, reactor: Any, home: Path | None, source: Configuration | None) -> None:
        self._reactor = reactor
        self._home = home
        self.source = source
        self.problem = ""

    def state(self) -> ConfigurationState:
        """Return the file in force, or ``None``, and the problem."""
        return ConfigurationState(self._file() or None, self.problem)

    def record(self) -> Deferred[None]:
        """Return a Deferred that fires when the status is on disk, or could not be written."""
        if self.source is None or self._home is None:
            return succeed(None)
        auth_mode = effective_auth_mode(self.source.settings.proxy)
        last_run = LastRun(self._file(), auth_mode, self.problem)
        written = call_in_thread(self._reactor, write_last_run, self._home, last_run)
        return written.addErrback(self._log_failure)

    def _file(self) -> str:
        source = self.source
        return str(source.file) if source is not None and source.raw.has_file else ""

    def _log_failure(self, failure: Failure) -> None:
        failure.trap(OSError)
        self.log.warn(
            "cannot write state/configuration.json: {error}",
            error=str(failure.value),
        )
