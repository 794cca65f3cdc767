"""A lock file that one process holds, and that the system releases when the process ends."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

#: Seconds between two attempts to take a lock.
_PAUSE: Final = 0.02


class LockFile:
    """The lock at ``path``; the file stays when it is released."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Take the lock if nobody has it; return whether this object holds it now.

        :raises OSError: if the file cannot be created.
        """
        if self._descriptor is not None:
            return True
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def acquire_within(self, seconds: float) -> bool:
        """Wait for the lock, blocking; return whether this object holds it now.

        :raises OSError: if the file cannot be created.
        """
        until = time.monotonic() + seconds
        while not self.acquire():
            if time.monotonic() >= until:
                return False
            time.sleep(_PAUSE)
        return True

    def release(self) -> None:
        """Release the lock, if this object holds it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Lock an open file without waiting."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
