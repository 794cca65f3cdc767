"""Expiring entries in one SQLite file, readable by its owner only.

All functions block on the disk: call them in threads, one at a time.  SQLite is imported when there
is something to read or to write.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from antigravity.interfaces.stores import Entry
from antigravity.stores.damaged_files import aside_name

if TYPE_CHECKING:
    import sqlite3

#: The version of the file format.
VERSION: Final = 1
#: Seconds to wait for another process that has locked the file.
_LOCK_TIMEOUT: Final = 2.0
_COMPANIONS: Final = ("-wal", "-shm")

_SCHEMA: Final = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, expires REAL NOT NULL, value BLOB NOT NULL
    );
    CREATE INDEX entries_by_expiry ON entries (expires);
    PRAGMA user_version = {VERSION};
    COMMIT;
"""


class StoreFileError(Exception):
    """The file cannot be used; the message names the reason and what was done."""


class _UnusableError(Exception):
    """The file is valid, but was not written by the gateway."""


class SqliteFile:
    """The file at ``path``; ``now`` returns seconds since the epoch."""

    def __init__(
        self, path: Path, now: Callable[[], float], *, max_entries: int, max_bytes: int
    ) -> None:
        self._path = path
        self._now = now
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None

    def read(self) -> list[Entry]:
        """Return the newest entries within the limits, oldest first; delete the others.

        :raises StoreFileError: if the file cannot be used.
        """
        if not self._path.exists():
            return []
        with self._transaction() as connection:
            entries: list[Entry] = []
            size, last = 0, None
            for number, key, expires, value in connection.execute(
                "SELECT id, key, expires, value FROM entries WHERE expires > ? ORDER BY id DESC",
                (self._now(),),
            ):
                size += len(value)
                if len(entries) >= self._max_entries or size > self._max_bytes:
                    break
                last = number
                entries.append(Entry(_text(bytes(key)), float(expires), bytes(value)))
            connection.execute("DELETE FROM entries WHERE ? IS NULL OR id < ?", (last, last))
            connection.execute("DELETE FROM entries WHERE expires <= ?", (self._now(),))
        self._empty_log()
        return entries[::-1]

    def write(self, changes: Mapping[str, Entry | None], *, sweep: bool = False) -> float | None:
        """Write entries, and delete keys with ``None`` and all expired entries.

        Return when the next entry expires, ``None`` if there is none.

        :param sweep: whether deleted data is removed from the write-ahead log, too.
        :raises StoreFileError: if the file cannot be used now.
        """
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM entries WHERE key = ?",
                [(_blob(key),) for key, entry in changes.items() if entry is None],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO entries (key, expires, value) VALUES (?, ?, ?)",
                [(_blob(e.key), e.expires, e.value) for e in changes.values() if e is not None],
            )
            connection.execute("DELETE FROM entries WHERE expires <= ?", (self._now(),))
            (earliest,) = connection.execute("SELECT min(expires) FROM entries").fetchone()
        if sweep:
            self._empty_log()
        return None if earliest is None else float(earliest)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _empty_log(self) -> None:
        """Empty the write-ahead log, which may hold deleted data."""
        with self._opened() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        import sqlite3

        try:
            if self._connection is None:
                self._connection = self._open()
            yield self._connection
        except (sqlite3.Error, OSError, ValueError, TypeError, _UnusableError) as error:
            raise self._failed(error) from error
        except BaseException:
            self.close()  # which also ends the transaction
            raise

    def _failed(self, error: Exception) -> StoreFileError:
        """Close the file, rename it if it is damaged, and return the error."""
        import sqlite3

        try:
            self.close()
            if isinstance(error, OSError) or not _is_damaged(error):
                return StoreFileError(f"{self._path} cannot be used now: {error}")
            aside = aside_name(self._path)
            os.replace(self._path, aside)
            for companion in self._companions():
                companion.unlink(missing_ok=True)
        except (sqlite3.Error, OSError) as failure:
            return StoreFileError(
                f"{self._path} is damaged ({error}) and could not be renamed: {failure}"
            )
        return StoreFileError(f"{self._path} is damaged ({error}); it was renamed to {aside.name}")

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        self._make_private()
        connection = sqlite3.connect(
            self._path, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_private(self) -> None:
        """Create the file before SQLite does, since its companions inherit its permissions."""
        directory = self._path.parent
        directory.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        if os.name != "nt":
            directory.chmod(0o700)
            for path in (self._path, *self._companions()):
                if path.exists():
                    path.chmod(0o600)

    def _companions(self) -> list[Path]:
        return [self._path.with_name(self._path.name + suffix) for suffix in _COMPANIONS]


def _prepare(connection: sqlite3.Connection) -> None:
    """Configure the connection, and create the tables of a new file."""
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = NORMAL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version == 0 and tables == 0:
        connection.executescript(_SCHEMA)
    elif version != VERSION:
        raise _UnusableError(f"its version is {version}, not {VERSION}")


def _is_damaged(error: Exception) -> bool:
    """Return whether an error means a damaged file; all others may be temporary."""
    import sqlite3

    # Errors of Python have no code; they mean that the data was invalid.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _blob(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")
