"""Settings of the Python interpreter for short pauses.

A full garbage collection examines every object in memory while all threads stop.  Objects from the
start are excluded; the others are collected between requests, and not while a large request is
translated, because all its many objects are still in use.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

#: Seconds after which a computing thread yields to the event loop.
SWITCH_INTERVAL: Final = 0.001
#: Seconds between two checks whether a full collection is due.
INTERVAL: Final = 1.0
#: Younger collections after which it is due, as in Python.
DUE: Final = 10
#: Younger collections after which it runs in any case.
OVERDUE: Final = 1000
#: Checks after which it is due, and free memory is returned to the system.
CHECKS_UNTIL_DUE: Final = 30
#: The size of blocks that are returned at once, in bytes.
LARGE_BLOCK: Final = 4 * 1024 * 1024
#: Heaps of the C library; by default there are several for each core.
ARENAS: Final = 2
#: Names of options in ``malloc.h``.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
#: A number of collections that is never reached.
_NEVER: Final = 2**30


def return_memory(libc: Any) -> None:
    """Make the C library return large blocks to the system as soon as they are free.

    glibc otherwise keeps ever larger ones for later use, such as those of a few large bodies.
    Other C libraries have no such options, and need none.
    """
    try:
        set_option = libc.mallopt
    except AttributeError:
        return
    set_option(_MMAP_THRESHOLD, LARGE_BLOCK)
    set_option(_TRIM_THRESHOLD, LARGE_BLOCK)
    set_option(_ARENA_MAX, ARENAS)


def trim_memory(libc: Any) -> None:
    """Return free memory between other blocks to the system, if the C library can."""
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def c_library() -> Any:
    """Return the C library on Linux, ``None`` elsewhere."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def _collects_at_once() -> bool:
    """Return whether this Python's full collections are not incremental."""
    return sys.version_info < (3, 14)


class Interpreter(Service):
    """The settings that keep pauses short.

    ``is_busy`` returns whether a large request is being translated.
    """

    def __init__(self, clock: IReactorTime, is_busy: Callable[[], bool]) -> None:
        self._is_busy = is_busy
        self._checks = LoopingCall(self.check)
        self._checks.clock = clock
        self._before: Any = None
        self._libc: Any = None
        self._count = 0

    def startService(self) -> None:
        """Apply the settings."""
        super().startService()
        self._before = sys.getswitchinterval(), gc.get_threshold()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._libc = c_library()
        return_memory(self._libc)
        gc.collect()
        gc.freeze()
        if _collects_at_once():
            young, middle, _ = gc.get_threshold()
            gc.set_threshold(young, middle, _NEVER)
            self._checks.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Restore the settings."""
        super().stopService()
        if self._checks.running:
            self._checks.stop()
        interval, thresholds = self._before
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        gc.unfreeze()

    def check(self) -> None:
        """Run a full collection if it is due and delays no request."""
        self._count += 1
        grown = gc.get_count()[2]
        is_due = grown >= DUE or self._count >= CHECKS_UNTIL_DUE
        if grown >= OVERDUE or (is_due and not self._is_busy()):
            gc.collect()
            if self._count >= CHECKS_UNTIL_DUE:
                trim_memory(self._libc)
                self._count = 0
