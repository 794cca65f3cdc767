"""Settings of the Python interpreter for short pauses.

A full garbage collection examines every object in memory while all threads stop.  Objects from the
start are excluded, and so are those of a new configuration.  A request leaves no reference cycles
behind, so that most collections find nothing.  They therefore happen while no request runs, where
they examine little, or after so many new objects that cycles could fill the memory.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

#: Seconds after which a computing thread yields to the event loop.
SWITCH_INTERVAL: Final = 0.001
#: New objects after which the youngest are collected, and collections of these before one of the
#: younger objects.  The latter takes a few milliseconds.
YOUNG: Final = 500
MIDDLE: Final = 10
#: Seconds between two checks whether a full collection is due.
INTERVAL: Final = 1.0
#: Collections of the younger objects after which it is due while requests run: 200,000 objects,
#: if all of them stay.
DUE: Final = 40
#: Collections of the younger objects after which it runs in any case.
OVERDUE: Final = 400
#: Checks after which it is due while no request runs, and free memory is returned to the system.
CHECKS_UNTIL_DUE: Final = 30
#: The size of blocks that are returned at once, in bytes.  To get one from the system again costs
#: twenty times as much as to copy it, so that this is more than most large bodies have.
LARGE_BLOCK: Final = 16 * 1024 * 1024
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


@contextmanager
def collection_paused() -> Iterator[None]:
    """Collect no garbage meanwhile, and exclude the new objects from later collections.

    Nearly all objects that are made at the start stay until the end.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


class Load(Protocol):
    """What the gateway is doing."""

    @property
    def requests(self) -> int:
        """The number of running requests."""

    @property
    def is_translating(self) -> bool:
        """Whether a large request is being translated; all its many objects are in use."""

    @property
    def configuration(self) -> object:
        """What is replaced when the configuration is loaded again."""


class Interpreter(Service):
    """The settings that keep pauses short."""

    def __init__(self, clock: IReactorTime, load: Load) -> None:
        self._load = load
        self._checks = LoopingCall(self.check)
        self._checks.clock = clock
        self._before: Any = None
        self._libc: Any = None
        self._count = 0
        #: The configuration whose objects are excluded from collections.
        self._frozen: object = None

    def startService(self) -> None:
        """Apply the settings."""
        super().startService()
        self._before = sys.getswitchinterval(), gc.get_threshold()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._libc = c_library()
        return_memory(self._libc)
        gc.freeze()
        if _collects_at_once():
            gc.set_threshold(YOUNG, MIDDLE, _NEVER)
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
        if self._load.configuration is not self._frozen and not self._load.requests:
            self._freeze_again()
        elif _collects_at_once() and self._is_due():
            gc.collect()
        if self._count >= CHECKS_UNTIL_DUE and not self._load.is_translating:
            trim_memory(self._libc)
            self._count = 0

    def _freeze_again(self) -> None:
        """Exclude the objects of the current configuration too, after a reload only these."""
        if self._frozen is not None:
            gc.unfreeze()
            gc.collect()
        gc.freeze()
        self._frozen = self._load.configuration

    def _is_due(self) -> bool:
        grown = gc.get_count()[2]
        if not self._load.requests:
            return grown > 0 or self._count >= CHECKS_UNTIL_DUE
        return grown >= (OVERDUE if self._load.is_translating else DUE)
