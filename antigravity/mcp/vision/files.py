"""Read a file below allowed folders, safely against concurrent changes.

Each folder of the path is opened relative to the one before it, and links are not followed, so
that the file is below the root at the moment when it is opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

_READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_FOLDER: Final = _READ | getattr(os, "O_DIRECTORY", 0)
#: Without O_NONBLOCK, opening a pipe without a writer would block.
_FILE: Final = _READ | _NO_LINK | getattr(os, "O_NONBLOCK", 0)
_CAN_BE_SAFE: Final = bool(_NO_LINK) and os.open in os.supports_dir_fd


class FileRefusedError(Exception):
    """The file cannot be read; the message reveals nothing about other files."""


class FileTooLargeError(FileRefusedError):
    """The file is larger than the limit."""


def read_below(roots: Sequence[Path], path: str, limit: int) -> bytes:
    """Return the content of the file at ``path``; this blocks on the disk.

    :raises FileRefusedError: if it is not below one of ``roots``, or cannot be read.
    """
    root, *names = _split(roots, path)
    try:
        descriptor = _open(root, names)
    except FileNotFoundError:
        raise FileRefusedError("file not found") from None
    except (OSError, ValueError):  # also for a link in the path
        raise FileRefusedError("the file cannot be opened, or is a link") from None
    try:
        return _content(descriptor, limit)
    finally:
        os.close(descriptor)


def _content(descriptor: int, limit: int) -> bytes:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise FileRefusedError("that is not a file")
    if found.st_size <= limit:
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
        if len(data) <= limit:
            return data
    raise FileTooLargeError(f"the file is larger than {limit} bytes")


def _split(roots: Sequence[Path], path: str) -> list[str]:
    """Return the root above ``path``, and the names of the path from there.

    :raises FileRefusedError: if it is below no root.
    """
    if not _CAN_BE_SAFE:
        raise FileRefusedError("files cannot be read safely on this machine")
    pure = PurePath(path)
    if not pure.is_absolute() or ".." in pure.parts:
        raise FileRefusedError("the path must be absolute and must not contain '..'")
    for root in roots:
        size = len(root.parts)
        if len(pure.parts) > size and pure.parts[:size] == root.parts:
            return [str(root), *pure.parts[size:]]
    raise FileRefusedError("it is not below a folder that the configuration allows")


def _open(root: str, names: Sequence[str]) -> int:
    folder = os.open(root, _FOLDER)
    try:
        for name in names[:-1]:
            inner = os.open(name, _FOLDER | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(names[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)
