"""How many connections each worker has open, in memory that all of them share.

Workers accept from one queue.  When many clients connect at once, the worker that runs first would
take nearly all of them, and clients keep their connections for long.  So a worker that has more
than another one leaves a connection to the others for some milliseconds.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

#: The most workers at a time, those that drain included.
PLACES: Final = 512
#: How many connections more than another worker one may have and still accept at once.
_SLACK: Final = 1
_ABSENT: Final = 0xFFFF_FFFF
_BYTES: Final = 4


class ConnectionTable:
    """The numbers of open connections, one for each worker.

    :param path: the file of the memory; the main process makes it.
    :param place: the place of this worker, ``None`` in the main process.
    """

    def __init__(self, path: Path, place: int | None = None) -> None:
        is_main = place is None
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if is_main else 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            if is_main:
                os.write(descriptor, b"\xff" * _BYTES * PLACES)
            self._memory = mmap.mmap(descriptor, _BYTES * PLACES)
        finally:
            os.close(descriptor)
        self._counts = memoryview(self._memory).cast("I")
        self._place = place or 0
        self._taken: set[int] = set()

    # In the main process

    def take(self) -> int:
        """Return a free place for a worker that starts.

        :raises IndexError: if there is none.
        """
        place = next((each for each in range(PLACES) if each not in self._taken), None)
        if place is None:
            raise IndexError("there are too many workers")
        self._taken.add(place)
        return place

    def release(self, place: int) -> None:
        """Take a place back, because its worker has ended."""
        self._taken.discard(place)
        self._counts[place] = _ABSENT

    def close(self) -> None:
        """Leave the memory."""
        self._counts.release()
        self._memory.close()

    # In a worker

    def set(self, count: int) -> None:
        """Say how many connections this worker has open."""
        self._counts[self._place] = count

    def leave(self) -> None:
        """Say that this worker accepts no more."""
        self._counts[self._place] = _ABSENT

    def is_ahead(self) -> bool:
        """Return whether another worker should accept the next connection."""
        own = self._counts[self._place]
        if own == _ABSENT:
            return False
        return min(self._counts) + _SLACK < own
