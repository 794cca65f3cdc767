"""A lock among the processes that share a home directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

try:
    import fcntl
except ImportError:  # Windows has other locks; there, one gateway uses a home
    _lock: Callable[[int], None] | None = None
else:

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


#: Seconds between two attempts.
_PAUSE: Final = 0.1


class FileLock:
    """An exclusive lock that the system releases when its process ends.

    The file stays, since removing it would let two processes hold the lock.
    """

    def __init__(self, path: Path, clock: IReactorTime) -> None:
        self._path = path
        self._clock = clock
        self._descriptor: int | None = None

    async def acquire(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for the lock; return whether it is held.

        :raises OSError: if the file cannot be opened.
        """
        until = self._clock.seconds() + timeout
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not _try_lock(descriptor):
                if self._clock.seconds() >= until:
                    return False
                await deferLater(self._clock, _PAUSE)
            self._descriptor, descriptor = descriptor, -1
            return True
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def release(self) -> None:
        """Release the lock, if it is held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _try_lock(descriptor: int) -> Any:
    if _lock is None:
        return True
    try:
        _lock(descriptor)
    except BlockingIOError:
        return False
    return True
