"""The file with the keys of a home: only its owner can read it, and it has no secrets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from antigravity.config.atomic import write_atomically
from antigravity.keys.records import KeyRecord, as_stored, parse_record
from antigravity.keys.secret import SALT_BYTES, new_salt
from antigravity.stores.lock_file import LockFile

FILE_NAME: Final = "keys.json"
VERSION: Final = 1
#: Limits of the file.
MOST_KEYS: Final = 10_000
_LARGEST: Final = 64 * 1024 * 1024
#: Seconds to wait for another process that changes the file.
_PATIENCE: Final = 5.0
_PAUSE: Final = 0.02

T = TypeVar("T")


class KeyFileError(Exception):
    """The file cannot be used; the message says why and what to do."""


class StoredKeys(Struct, frozen=True):
    """The keys in a file.

    ``problem`` says why the file cannot be used, ``damaged`` why single keys cannot, by their id or
    place.  None of these keys is valid.
    """

    salt: str = ""
    records: tuple[KeyRecord, ...] = ()
    damaged: tuple[str, ...] = ()
    problem: str = ""

    def find(self, key: str) -> KeyRecord:
        """Return the key with an id, a label, or the beginning of an id.

        :raises LookupError: if there is none, or more than one.
        """
        for matches in (
            [each for each in self.records if each.id == key],
            [each for each in self.records if each.label == key],
            [each for each in self.records if len(key) >= 5 and each.id.startswith(key)],
        ):
            if len(matches) == 1:
                return matches[0]
            if matches:
                ids = ", ".join(each.id for each in matches[:5])
                raise LookupError(f"{key!r} stands for several keys: {ids}")
        raise LookupError(f"the key {key[:100]!r} does not exist")


class _File(Struct, forbid_unknown_fields=True):
    version: int
    salt: str
    keys: list[Any]


class KeyFile:
    """The keys of a home directory."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE_NAME
        self._lock = home / f".{FILE_NAME}.lock"

    def load(self) -> StoredKeys:
        """Return the keys; a file that is missing has none, and a damaged one says so."""
        try:
            if self.path.stat().st_size > _LARGEST:
                return StoredKeys(problem=f"{self.path} is larger than {_LARGEST} bytes")
            found = msgspec.json.decode(self.path.read_bytes(), type=_File)
            if found.version != VERSION:
                raise ValueError(f"it has the version {found.version}, not {VERSION}")
            if len(bytes.fromhex(found.salt)) != SALT_BYTES:
                raise ValueError("its salt is damaged")
        except FileNotFoundError:
            return StoredKeys()
        except OSError as error:
            return StoredKeys(problem=f"{self.path} cannot be read: {error.strerror}")
        except (ValueError, RecursionError) as error:
            return StoredKeys(problem=f"{self.path} is damaged: {error}")
        if len(found.keys) > MOST_KEYS:
            return StoredKeys(problem=f"{self.path} has more than {MOST_KEYS} keys")
        return _parse(found)

    def change(self, change: Callable[[StoredKeys], tuple[tuple[KeyRecord, ...], T]]) -> T:
        """Replace the keys by what ``change`` returns for them; return its second result.

        :raises KeyFileError: if the file is damaged or cannot be written.
        """
        with self._locked():
            stored = self.load()
            for problem in (stored.problem, *stored.damaged):
                if problem:
                    raise KeyFileError(
                        f"{problem}.  Repair or remove it first: keys in it would be lost."
                    )
            if not stored.salt:
                stored = StoredKeys(new_salt())
            records, result = change(stored)
            if len(records) > MOST_KEYS:
                raise KeyFileError(f"there can be {MOST_KEYS} keys at most")
            file = _File(VERSION, stored.salt, [as_stored(each) for each in records])
            text = msgspec.json.format(msgspec.json.encode(file), indent=1)
            try:
                write_atomically(self.path, text)
            except OSError as error:
                raise KeyFileError(f"{self.path} cannot be written: {error.strerror}") from None
            return result

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = LockFile(self._lock)
        until = time.monotonic() + _PATIENCE
        try:
            while not lock.acquire():
                if time.monotonic() > until:
                    raise KeyFileError(f"another process is changing {self.path}; try again")
                time.sleep(_PAUSE)
        except OSError as error:
            raise KeyFileError(f"{self._lock} cannot be written: {error.strerror}") from None
        try:
            yield
        finally:
            lock.release()


def _parse(file: _File) -> StoredKeys:
    records: list[KeyRecord] = []
    damaged: list[str] = []
    known: set[str] = set()
    for place, raw in enumerate(file.keys):
        name = raw.get("id") if isinstance(raw, dict) else None
        where = f"the key {name if isinstance(name, str) else place}"
        try:
            record = parse_record(raw)
        except (ValueError, TypeError, OverflowError) as error:
            damaged.append(f"{where} is damaged: {error}")
            continue
        if record.id in known:
            damaged.append(f"{where} occurs twice")
            continue
        known.add(record.id)
        records.append(record)
    return StoredKeys(file.salt, tuple(records), tuple(damaged))
