"""Run a program that must not outlive who started this: ``guard.py GRACE PROGRAM ARGUMENT…``.

It is a script of its own, started with a pipe as its standard input.  A byte in the pipe asks
the program to end.  The end of the pipe, which comes also when the gateway was killed, does
the same and, GRACE seconds later, kills it.  On Linux the kernel kills the program when this
script was killed.  Nothing here is imported from the package: it must start fast and alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

_PR_SET_PDEATHSIG = 1
_CANNOT_START = 127


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


def _obey(child: subprocess.Popen[bytes], grace: float) -> None:
    """Pass on what comes through the pipe."""
    while os.read(0, 1):
        child.terminate()
    child.terminate()
    killing = threading.Timer(grace, child.kill)
    killing.daemon = True
    killing.start()


def main(arguments: Sequence[str]) -> int:
    """Run the program and return its exit code; 128 and more is a signal."""
    grace, *command = arguments
    if hasattr(os, "setsid"):  # a Ctrl-C in the terminal is for the gateway, which stops in order
        with contextlib.suppress(PermissionError):
            os.setsid()
    try:
        child = subprocess.Popen(  # noqa: S603 - that is what this is for
            command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent()
        )
    except OSError as error:
        sys.stderr.write(f"cannot start {os.path.basename(command[0])}: {error.strerror}\n")
        return _CANNOT_START

    def end(number: int, frame: Any) -> None:
        child.terminate()

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
    threading.Thread(target=_obey, args=(child, float(grace)), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main(sys.argv[1:]))
