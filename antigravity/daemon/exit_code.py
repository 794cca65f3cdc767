"""An exit code for a service that fails after ``twistd`` has started it.

``twistd`` exits with 0 whenever its reactor stops, and with the signal's code if a signal
stopped it.  A port that is taken is found out while the reactor runs, so its failure has to be
passed on another way.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any


class ExitCode:
    """The exit code of this process, if it is to be another one than ``twistd`` gives.

    It takes effect when the interpreter exits: log, pid file and threads have ended by then.
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
