"""Run a program that must not outlive who started this.

Usage: ``guard.py GRACE INPUT DIRECTORY PROGRAM ARGUMENT…``

It is a script of its own, started with a pipe as its standard input.  A byte in the pipe asks
the program to end.  The end of the pipe, which comes also when the gateway was killed, does
the same and, GRACE seconds later, kills it.  The program leads a process group of its own, so
whatever it has started ends with it.  On Linux the kernel kills the program when this
script was killed.  INPUT is the number of the file that the program reads, ``-`` for none;
DIRECTORY is where it runs.  What has to be done between fork and exec is done here, where there
is one thread: the gateway has several, and to fork it could leave a child with a lock that
nobody holds any more.  Nothing here is imported from the package: it must start fast and alone.
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
#: Seconds for what a program leaves behind, once it has ended, and between two looks at it.
_LINGER = 1.0
_LOOK = 0.02


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a child has to do so that it is killed when we are, where that can be had."""
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
    """The program and all that it has started."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._pid = child.pid

    def terminate(self) -> None:
        """Ask them to end."""
        if not self._signal(signal.SIGTERM):
            self._child.terminate()

    def kill(self) -> None:
        """End them."""
        if not hasattr(signal, "SIGKILL") or not self._signal(signal.SIGKILL):
            self._child.kill()

    def sweep(self) -> None:
        """End what the program has left behind."""
        if not self._signal(signal.SIGTERM):
            return
        until = time.monotonic() + _LINGER
        while self._signal(0) and time.monotonic() < until:
            time.sleep(_LOOK)
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> bool:
        """Send a signal; return whether there was anybody."""
        try:
            os.killpg(self._pid, number)
        except (AttributeError, ProcessLookupError, PermissionError):
            return False
        return True


def _obey(group: _Group, grace: float) -> None:
    """Pass on what comes through the pipe."""
    while os.read(0, 1):
        group.terminate()
    group.terminate()
    killing = threading.Timer(grace, group.kill)
    killing.daemon = True
    killing.start()


def _start(command: Sequence[str], source: str) -> subprocess.Popen[bytes]:
    stdin = subprocess.DEVNULL if source == "-" else int(source)
    group: dict[str, Any] = {"process_group": 0} if hasattr(os, "setpgid") else {}
    child = subprocess.Popen(command, stdin=stdin, preexec_fn=_die_with_parent(), **group)  # noqa: S603 - that is what this is for
    if stdin != subprocess.DEVNULL:
        os.close(stdin)  # its end must come when the gateway closes it
    return child


def main(arguments: Sequence[str]) -> int:
    """Run the program and return its exit code; 128 and more is a signal."""
    grace, source, directory, *command = arguments
    if hasattr(os, "setsid"):  # a Ctrl-C in the terminal is for the gateway, which stops in order
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
    threading.Thread(target=_obey, args=(group, float(grace)), daemon=True).start()
    code = child.wait()
    group.sweep()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main(sys.argv[1:]))
