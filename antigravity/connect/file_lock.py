"""The lock of what is remembered about clients: one process changes it at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from antigravity.connect.plan import ConnectError
from antigravity.stores.lock_file import LockFile

#: Seconds to wait for another process.
LONGEST_WAIT: Final = 5.0


@contextlib.contextmanager
def locked(path: Path, longest: float = LONGEST_WAIT) -> Iterator[None]:
    """Return a context in which this process alone has the lock at ``path``; it blocks.

    :raises ConnectError: if another one keeps it for ``longest`` seconds, or it cannot be made.
    """
    lock = LockFile(path)
    try:
        if not lock.acquire_within(longest):
            raise ConnectError(
                "Another process connects or disconnects a client at this moment: try again."
            )
    except OSError as error:
        raise ConnectError(f"{path} cannot be opened: {error.strerror}.") from None
    try:
        yield
    finally:
        lock.release()
