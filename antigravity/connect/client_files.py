"""Read and write the files of clients, which belong to others."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from antigravity.config.atomic import write_atomically
from antigravity.connect.plan import ConnectError

#: Larger files are not the configuration of a client.
MAX_BYTES: Final = 8 * 1024 * 1024


def read_file(path: Path, largest: int = MAX_BYTES) -> bytes | None:
    """Return the bytes of a file, ``None`` if there is none.

    :param largest: the most bytes.
    :raises ConnectError: if it is too large, cannot be read, or is no regular file.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # such as a link to /dev/null
            raise ConnectError(f"{path} is not a regular file.")
        if found.st_size > largest:
            raise ConnectError(f"{path} has more than {largest} bytes, so it stays.")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConnectError(f"{path} cannot be read: {error.strerror}.") from None


def decode_text(path: Path, data: bytes | None) -> str:
    """Return the text of a file, an empty one if there is none.

    :raises ConnectError: if it is not UTF-8.
    """
    try:
        return (data or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise ConnectError(f"{path} is not UTF-8 text.") from None


def permissions(path: Path) -> int | None:
    """Return the permissions of a file, ``None`` if there is none, or on Windows."""
    if os.name == "nt":
        return None
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def write_file(path: Path, data: bytes, mode: int | None = None) -> None:
    """Replace a file atomically; it keeps its owner, and stays behind a link to it.

    A new file belongs to the owner of the folder, also if root writes it for somebody.

    :param mode: its permissions, ``None`` for those that it has; of a new one, 0600.
    :raises OSError: if that is not possible.
    """
    target = Path(os.path.realpath(path))
    try:
        found = target.stat()
    except FileNotFoundError:
        found = _make_folder(target.parent)
        kept = 0o600
    else:
        kept = stat.S_IMODE(found.st_mode)
    write_atomically(target, data, mode=kept if mode is None else mode)
    _give(target, found)


def remove_file(path: Path) -> None:
    """Remove a file; a link to it stays.

    :raises OSError: if that is not possible.
    """
    Path(os.path.realpath(path)).unlink(missing_ok=True)


def _make_folder(folder: Path) -> os.stat_result:
    """Create a folder and those above it, where they are missing, and return its state."""
    try:
        return folder.stat()
    except FileNotFoundError:
        above = _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _give(folder, above)
    return folder.stat()


def _give(path: Path, like: os.stat_result) -> None:
    """Give what root has made to the owner of something else."""
    if os.name != "nt" and os.geteuid() == 0:
        with suppress(OSError):  # some file systems have no owners
            os.chown(path, like.st_uid, like.st_gid, follow_symlinks=False)
