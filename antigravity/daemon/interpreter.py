"""Settings of the Python interpreter for a process that must answer at once.

A full garbage collection looks at every object in memory and stops all threads meanwhile.  What is
there from the start is left out of it; the rest is collected between requests, as soon as it has
grown, and not while a large request is translated, which makes many objects and keeps them all.
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

#: Seconds after which a thread that computes lets the event loop go on.
SWITCH_INTERVAL: Final = 0.001
#: Seconds between two looks at whether a full collection is due.
INTERVAL: Final = 1.0
#: Collections of younger objects after which it is due; Python's own number.
DUE: Final = 10
#: And after which it is overdue, whatever is going on.
OVERDUE: Final = 1000
#: Looks after which it is due in any case, and free memory is given back to the system.
SELDOM: Final = 30
#: Bytes from which on a block is given back at once.
LARGE_BLOCK: Final = 4 * 1024 * 1024
#: Heaps of the C library; by default there are several for each core.
ARENAS: Final = 2
#: Names of options in ``malloc.h``.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
#: A number of them that never comes.
_NEVER: Final = 2**30


def return_memory(libc: Any) -> None:
    """Have the C library give large blocks back to the system as soon as they are free.

    glibc keeps ever larger ones for later use, once it has seen some, and so would keep what a few
    large bodies took.  Other C libraries have no such options, and need none.
    """
    try:
        set_option = libc.mallopt
    except AttributeError:
        return
    set_option(_MMAP_THRESHOLD, LARGE_BLOCK)
    set_option(_TRIM_THRESHOLD, LARGE_BLOCK)
    set_option(_ARENA_MAX, ARENAS)


def trim_memory(libc: Any) -> None:
    """Give what is free between other blocks back to the system, where the C library can."""
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def c_library() -> Any:
    """Return the C library on Linux, ``None`` elsewhere."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def _collects_at_once() -> bool:
    """Return whether this Python's full collections look at everything in one go."""
    return sys.version_info < (3, 14)


class Interpreter(Service):
    """Keeps pauses short while it runs; ``is_busy`` says whether a large request is translated."""

    def __init__(self, clock: IReactorTime, is_busy: Callable[[], bool]) -> None:
        self._is_busy = is_busy
        self._looking = LoopingCall(self.look)
        self._looking.clock = clock
        self._before: Any = None
        self._libc: Any = None
        self._looks = 0

    def startService(self) -> None:
        """Take the settings over."""
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
            self._looking.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Give the settings back as they were."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()
        interval, thresholds = self._before
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        gc.unfreeze()

    def look(self) -> None:
        """Run a full collection, if it is due and delays no request."""
        self._looks += 1
        grown = gc.get_count()[2]
        is_due = grown >= DUE or self._looks >= SELDOM
        if grown >= OVERDUE or (is_due and not self._is_busy()):
            gc.collect()
            if self._looks >= SELDOM:
                trim_memory(self._libc)
                self._looks = 0
