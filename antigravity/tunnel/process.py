"""cloudflared as a sub-process that ends when the gateway does, however that ends."""

# ruff: noqa: N802, N803 - the names are Twisted's

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from antigravity.tunnel.command import Command

#: How long cloudflared may take to end once it was told to, in seconds.
GRACE: Final = 5.0
#: How much longer the guard may take to see to that.
_MORE: Final = 3.0
#: How long pipes may stay open once it has ended.
_ECHO: Final = 1.0
_LONGEST_LINE: Final = 64 * 1024
_GUARD: Final = Path(__file__).with_name("guard.py")

OnLine = Callable[[str], object]
#: Gets the exit code, ``None`` if there is none.
OnEnd = Callable[[int | None], object]


class GuardedProcess(ProcessProtocol):
    """One run of a program behind ``guard.py``.

    ``on_line`` gets each line that it prints, ``on_end`` is called once, at last.
    """

    def __init__(self, clock: IReactorTime, on_line: OnLine, on_end: OnEnd) -> None:
        self._clock = clock
        self._on_line = on_line
        self._on_end = on_end
        self._buffers = {1: b"", 2: b""}
        self._timer: IDelayedCall | None = None
        self._is_over = False

    def leave(self) -> None:
        """Ask it to take nothing new, and to end when it has done what it is at."""
        if not self._is_over and self.transport is not None:
            self.transport.write(b"\n")

    def stop(self) -> None:
        """Make it end within moments."""
        if self._is_over or self.transport is None:
            return
        self.transport.closeStdin()
        self._set_timer(GRACE + _MORE, self._kill)

    def _kill(self) -> None:
        """Kill what did not end: the guard, and what it guards, which is in one group with it."""
        self._timer = None
        transport: Any = self.transport
        try:
            os.killpg(transport.pid, signal.SIGKILL)
        except (AttributeError, ProcessLookupError, PermissionError):
            transport.signalProcess("KILL")

    # -- what Twisted tells --

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Take what it prints, line by line."""
        *lines, rest = (self._buffers[childFD] + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._buffers[childFD] = rest
        for line in lines:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if text:
            self._on_line(text)

    def processExited(self, reason: Failure) -> None:
        """Wait a moment for the end of its output."""
        self._is_over = True
        assert self.transport is not None
        self._set_timer(_ECHO, self.transport.loseConnection)

    def processEnded(self, reason: Failure) -> None:
        """Tell that it is over."""
        self._is_over = True
        self._cancel_timer()
        for rest in self._buffers.values():
            self._tell(rest)
        self._on_end(getattr(reason.value, "exitCode", None))

    def _set_timer(self, seconds: float, then: Callable[[], object]) -> None:
        self._cancel_timer()
        self._timer = self._clock.callLater(seconds, then)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


def spawn(reactor: Any, command: Command, on_line: OnLine, on_end: OnEnd) -> GuardedProcess:
    """Start ``command`` and return its run.

    :raises OSError: if not even its guard can be started.
    """
    process = GuardedProcess(reactor, on_line, on_end)
    arguments = [sys.executable, "-I", "-S", str(_GUARD), str(GRACE)]
    arguments += [str(command.executable), *command.arguments]
    try:
        reactor.spawnProcess(
            process,
            sys.executable,
            arguments,
            env=dict(command.environment),
            path=str(command.directory),
        )
    except NotImplementedError as error:  # on Windows without pywin32
        raise OSError(f"processes cannot be started here: {error}") from error
    return process
