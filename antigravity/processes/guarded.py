"""A subprocess that always ends with the gateway, even if that is killed."""

# ruff: noqa: N802, N803 - the names are Twisted's

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.processes.command import Command

#: Seconds that a program has to exit after a request to do so.
GRACE: Final = 5.0
#: Further seconds in which the guard kills it.
_KILL_TIMEOUT: Final = 3.0
#: Seconds after the exit until its pipes are closed.
_OUTPUT_TIMEOUT: Final = 1.0
_LONGEST_LINE: Final = 64 * 1024
_GUARD: Final = Path(__file__).with_name("guard.py")
#: The file descriptor from which the program reads.
_INPUT: Final = 3

OnLine = Callable[[str], object]
OnOutput = Callable[[bytes], object]
#: Called with the exit code, ``None`` if there is none.
OnEnd = Callable[[int | None], object]


class GuardedProcess(ProcessProtocol):
    """A running program behind ``guard.py``.

    ``on_line`` is called with each line that it prints, and ``on_end`` once, after all of them.
    With ``on_output`` the program has a standard input, and that is called with its standard
    output in chunks; the lines are then those of its standard error.
    """

    def __init__(
        self,
        clock: IReactorTime,
        on_line: OnLine,
        on_end: OnEnd,
        on_output: OnOutput | None = None,
    ) -> None:
        self._clock = clock
        self._on_line = on_line
        self._on_end = on_end
        self._on_output = on_output
        self._buffers = {1: b"", 2: b""}
        self._timer: IDelayedCall | None = None
        self._has_exited = False
        self._input: _Input | None = None

    def write(self, data: bytes) -> bool:
        """Write to the program's standard input.

        Return ``False`` if that is closed, or too much of it is unread.
        """
        if self._has_exited or self.transport is None or self._on_output is None:
            return False
        if self._input is None:
            pipes: Any = self.transport
            pipe = pipes.pipes.get(_INPUT)
            if pipe is None:
                return False
            self._input = _Input(pipe)
        return self._input.write(data)

    def close_input(self) -> None:
        """Close the program's standard input."""
        if not self._has_exited and self.transport is not None and self._on_output is not None:
            self.transport.closeChildFD(_INPUT)

    def leave(self) -> None:
        """Ask the program to finish its work and exit."""
        if not self._has_exited and self.transport is not None:
            self.transport.write(b"\n")

    def stop(self) -> None:
        """Terminate the program, and kill it if it does not exit in time."""
        if self._has_exited or self.transport is None:
            return
        self.transport.closeStdin()
        self._set_timer(GRACE + _KILL_TIMEOUT, self._kill)

    def _kill(self) -> None:
        """Kill a guard that did not exit, and its program with it."""
        self._timer = None
        transport: Any = self.transport
        try:
            os.killpg(transport.pid, signal.SIGKILL)
        except (AttributeError, ProcessLookupError, PermissionError):
            transport.signalProcess("KILL")

    # -- called by Twisted --

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Split the program's output into lines."""
        if childFD == 1 and self._on_output is not None:
            self._on_output(data)
            return
        *lines, rest = (self._buffers[childFD] + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._buffers[childFD] = rest
        for line in lines:
            self._report_line(line)

    def _report_line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if text:
            self._on_line(text)

    def processExited(self, reason: Failure) -> None:
        """Wait a moment for the rest of the output."""
        self._has_exited = True
        assert self.transport is not None
        self._set_timer(_OUTPUT_TIMEOUT, self.transport.loseConnection)

    def processEnded(self, reason: Failure) -> None:
        """Report the end of the program."""
        self._has_exited = True
        self._cancel_timer()
        for rest in self._buffers.values():
            self._report_line(rest)
        self._on_end(getattr(reason.value, "exitCode", None))

    def _set_timer(self, seconds: float, then: Callable[[], object]) -> None:
        self._cancel_timer()
        self._timer = self._clock.callLater(seconds, then)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


@implementer(IPushProducer)
class _Input:
    """The program's standard input, with flow control and a bounded buffer."""

    LIMIT: Final = 256 * 1024 * 1024

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._pending: deque[bytes] = deque()
        self._size = 0
        self._is_full = False
        self._is_closed = False
        pipe.registerProducer(self, True)

    def write(self, data: bytes) -> bool:
        if self._is_closed or self._size + len(data) > self.LIMIT:
            return False
        if self._is_full:
            self._pending.append(data)
            self._size += len(data)
        else:
            self._pipe.write(data)
        return True

    def pauseProducing(self) -> None:
        self._is_full = True

    def resumeProducing(self) -> None:
        self._is_full = False
        while self._pending and not self._is_full:
            data = self._pending.popleft()
            self._size -= len(data)
            self._pipe.write(data)

    def stopProducing(self) -> None:
        self._is_closed = True
        self._pending.clear()


def spawn(
    reactor: Any,
    command: Command,
    on_line: OnLine,
    on_end: OnEnd,
    on_output: OnOutput | None = None,
) -> GuardedProcess:
    """Start ``command`` and return its process.

    :raises OSError: if the guard cannot be started.
    """
    process = GuardedProcess(reactor, on_line, on_end, on_output)
    files: dict[int, Any] = {0: "w", 1: "r", 2: "r"}
    if on_output is not None:
        files[_INPUT] = "w"
    source = "-" if on_output is None else str(_INPUT)
    arguments = [sys.executable, "-I", "-S", str(_GUARD), str(GRACE), source]
    arguments += [str(command.directory), str(command.executable), *command.arguments]
    try:
        reactor.spawnProcess(
            process,
            sys.executable,
            arguments,
            env=dict(command.environment),
            path=None,  # the guard changes to it: with a path, Twisted would have to fork
            childFDs=files,
        )
    except NotImplementedError as error:  # on Windows without pywin32
        raise OSError(f"subprocesses cannot be started: {error}") from error
    return process
