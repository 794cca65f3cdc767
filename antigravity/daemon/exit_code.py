"""An exit code for a service that fails after ``twistd`` has started it.

``twistd`` exits with 0 when its reactor stops, or with the code of the signal that stopped it.  A
port that is in use is only noticed while the reactor runs, so this module sets the exit code.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any


class ExitCode:
    """The exit code of this process, if it differs from that of ``twistd``.

    It takes effect when the interpreter exits, after the log and the pid file are closed.
    """

    def __init__(self, register: Any = atexit.register, leave: Any = os._exit) -> None:
        self.code = 0
        self._leave = leave
        register(self._exit)

    def fail(self) -> None:
        """Exit with 1."""
        self.code = 1

    def _exit(self) -> None:
        if self.code:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            self._leave(self.code)
