"""The file with the keys of a home: only its owner can read it, and it has no secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.config.atomic import write_atomically
from antigravity.interfaces.key_store import Edit, KeySet, KeyStoreError
from antigravity.keys.secret import SALT_BYTES
from antigravity.stores.lock_file import LockFile

FILE_NAME: Final = "keys.json"
VERSION: Final = 1
#: The largest size of the file, in bytes.
_LARGEST: Final = 64 * 1024 * 1024
#: Seconds to wait for another process that changes the file.
_PATIENCE: Final = 5.0


class _File(Struct, forbid_unknown_fields=True):
    version: int
    salt: str
    keys: list[Any]


class KeyFile:
    """The keys in a file.  Its methods block.

    They raise a ``KeyStoreError`` if the file is damaged, or cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.with_name(f".{path.name}.lock")

    def load(self) -> KeySet:
        """Return the keys; a file that is missing has none."""
        try:
            if self.path.stat().st_size > _LARGEST:
                raise KeyStoreError(f"{self.path} is larger than {_LARGEST} bytes")
            found = msgspec.json.decode(self.path.read_bytes(), type=_File)
            if found.version != VERSION:
                raise ValueError(f"it has the version {found.version}, not {VERSION}")
            if len(bytes.fromhex(found.salt)) != SALT_BYTES:
                raise ValueError("its salt is damaged")
        except FileNotFoundError:
            return KeySet()
        except OSError as error:
            raise KeyStoreError(f"{self.path} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise KeyStoreError(f"{self.path} is damaged: {error}") from None
        return KeySet(found.salt, tuple(found.keys))

    def save(self, keys: KeySet) -> None:
        """Replace the keys."""
        file = _File(VERSION, keys.salt, list(keys.keys))
        text = msgspec.json.format(msgspec.json.encode(file), indent=1)
        try:
            write_atomically(self.path, text)
        except OSError as error:
            raise KeyStoreError(f"{self.path} cannot be written: {error.strerror}") from None

    def change(self, edit: Edit) -> KeySet:
        """Replace the keys by what ``edit`` returns for them, and return that."""
        with self._locked():
            try:
                found = self.load()
            except KeyStoreError as error:
                raise KeyStoreError(
                    f"{error}.  Repair or remove it first: keys in it would be lost."
                ) from None
            keys = edit(found)
            self.save(keys)
            return keys

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = LockFile(self._lock)
        try:
            if not lock.acquire_within(_PATIENCE):
                raise KeyStoreError(f"another process is changing {self.path}; try again")
        except OSError as error:
            raise KeyStoreError(f"{self._lock} cannot be written: {error.strerror}") from None
        try:
            yield
        finally:
            lock.release()
