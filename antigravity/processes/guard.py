"""Run a program that must not outlive the process that started this script.

Usage: ``guard.py GRACE INPUT DIRECTORY PROGRAM ARGUMENT…``

The gateway starts this script with a pipe as its standard input.  A byte in the pipe asks the
program to exit.  The end of the pipe, which also comes when the gateway is killed, does the same
and, GRACE seconds later, kills it.  The program leads a process group of its own, so that the
processes which it has started end with it.  On Linux the kernel kills the program when this
script is killed.  INPUT is the number of the file descriptor that the program reads, ``-`` for
none; DIRECTORY is its working directory.  The steps between fork and exec are done here, in a
process with one thread: the gateway has several, so a fork of it could inherit a locked lock.
This script imports nothing from the package, so that it starts fast and alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

_PR_SET_PDEATHSIG = 1
_CANNOT_START = 127
#: Seconds for the remaining processes of an exited program to exit, and between two checks.
_LINGER = 1.0
_LOOK = 0.02


def _die_with_parent() -> Callable[[], None] | None:
    """Return a function with which the child asks to be killed with this process, if supported."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask


class _Group:
    """The process group of the program."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._pid = child.pid

    def terminate(self) -> None:
        """Ask the processes to exit."""
        if not self._signal(signal.SIGTERM):
            self._child.terminate()

    def kill(self) -> None:
        """Kill the processes."""
        if not hasattr(signal, "SIGKILL") or not self._signal(signal.SIGKILL):
            self._child.kill()

    def sweep(self) -> None:
        """Kill the remaining processes of an exited program."""
        if not self._signal(signal.SIGTERM):
            return
        until = time.monotonic() + _LINGER
        while self._signal(0) and time.monotonic() < until:
            time.sleep(_LOOK)
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> bool:
        """Send a signal; return whether the group still exists."""
        try:
            os.killpg(self._pid, number)
        except (AttributeError, ProcessLookupError, PermissionError):
            return False
        return True


def _handle_pipe(group: _Group, grace: float) -> None:
    """Handle the bytes and the end of the pipe."""
    while os.read(0, 1):
        group.terminate()
    group.terminate()
    killing = threading.Timer(grace, group.kill)
    killing.daemon = True
    killing.start()


def _start(command: Sequence[str], source: str) -> subprocess.Popen[bytes]:
    stdin = subprocess.DEVNULL if source == "-" else int(source)
    group: dict[str, Any] = {"process_group": 0} if hasattr(os, "setpgid") else {}
    child = subprocess.Popen(command, stdin=stdin, preexec_fn=_die_with_parent(), **group)  # noqa: S603 - the purpose of this script
    if stdin != subprocess.DEVNULL:
        os.close(stdin)  # otherwise the pipe would not end when the gateway closes it
    return child


def main(arguments: Sequence[str]) -> int:
    """Run the program, and return its exit code, or 128 plus the number of a signal."""
    grace, source, directory, *command = arguments
    if hasattr(os, "setsid"):  # Ctrl-C in the terminal is for the gateway, which stops in order
        with contextlib.suppress(PermissionError):
            os.setsid()
    place = f" in {directory}"
    try:
        os.chdir(directory)
        place = ""
        child = _start(command, source)
    except OSError as error:
        name = os.path.basename(command[0])
        sys.stderr.write(f"cannot start {name}{place}: {error.strerror}\n")
        return _CANNOT_START
    group = _Group(child)

    def end(number: int, frame: Any) -> None:
        group.terminate()

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
    threading.Thread(target=_handle_pipe, args=(group, float(grace)), daemon=True).start()
    code = child.wait()
    group.sweep()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main(sys.argv[1:]))
