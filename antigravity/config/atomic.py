"""Write files atomically: a crash leaves the old or the new file, never a part of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, replace: bool = True) -> None:
    """Write ``data`` to ``path``; other users can never read it.

    :param replace: if false, an existing file is not replaced.
    :raises FileExistsError: if ``path`` exists and may not be replaced.
    """
    with open_atomically(path, mode=mode, replace=replace) as file:
        file.write(data)


@contextlib.contextmanager
def open_atomically(path: Path, *, mode: int = 0o600, replace: bool = True) -> Iterator[BinaryIO]:
    """Return a context with a file that gets the name ``path`` if no exception is raised.

    :param replace: if false, an existing file is not replaced.
    :raises FileExistsError: if ``path`` exists and may not be replaced.
    """
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        if replace:
            os.replace(temporary, path)
        else:
            _name_once(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    sync_directory(path.parent)


def remove_leftovers(directory: Path, name: str = "*", *, age: float = 0.0) -> None:
    """Remove temporary files that killed processes have left.

    :param name: the name of the file that was written.
    :param age: the minimum age in seconds; another process may be writing younger files.
    """
    for path in directory.glob(f".{name}.*.tmp"):
        with contextlib.suppress(OSError):
            if not age or abs(time.time() - path.lstat().st_mtime) > age:
                path.unlink()


def write_private(path: Path, data: bytes) -> None:
    """Write a file atomically, and create its folder; only the owner can read both."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(path, data)


def remove_leftovers_of(path: Path) -> None:
    """Remove the temporary files that killed processes have left beside ``path``."""
    remove_leftovers(path.parent, path.name)


def _name_once(temporary: str, path: Path) -> None:
    """Rename a file unless the new name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # some file systems have no hard links
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(temporary, path)


def sync_directory(directory: Path) -> None:
    """Make renames in ``directory`` durable, if the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
