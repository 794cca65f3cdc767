"""The database of the ledger: one SQLite file, readable by its owner only.

All functions block on the disk: call them in threads.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import aiosql

from antigravity.ledger.errors import DamagedError, LedgerError, NewerVersionError

#: The version of the tables; ``sql/schema_N.sql`` makes version N from the one before.
VERSION: Final = 1
#: Seconds to wait for another process that has locked the file, such as a backup.
_LOCK_TIMEOUT: Final = 5.0
_COMPANIONS: Final = ("-wal", "-shm")
#: KiB of pages that a connection keeps.
_CACHE: Final = 2048
_SQL: Final = files(__package__) / "sql"


def load_queries(*names: str) -> Any:
    """Return the queries in ``sql/NAME.sql`` as functions of a connection and parameters."""
    text = "\n".join((_SQL / f"{name}.sql").read_text("utf-8") for name in names)
    return aiosql.from_str(text, "sqlite3")


class Database:
    """The file at ``path``, which :meth:`prepare` creates."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> sqlite3.Connection:
        """Create the file or bring its tables up to date, and return the writer's connection.

        :raises DamagedError: if the file was damaged; it was set aside, so that the next call
            creates another one.
        :raises LedgerError: if the file cannot be used.
        """
        with self.errors():
            self._make_private()
            connection = self._connect()
            try:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
                self._check(connection)
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def open_reader(self) -> sqlite3.Connection:
        """Return a connection that cannot change anything.

        :raises LedgerError: if the file cannot be used.
        """
        with self.errors():
            if not self.path.exists():
                raise LedgerError(f"{self.path} does not exist")
            connection = self._connect()
            try:
                connection.execute("PRAGMA query_only = ON")
            except BaseException:
                connection.close()
                raise
            connection.row_factory = sqlite3.Row
        return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise errors of SQLite and of the system as ``LedgerError``.

        Errors of single values stay what they are: the file can be used.
        """
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError):
            raise
        except (sqlite3.DatabaseError, OSError) as error:
            if is_damage(error):
                raise self._set_aside(error) from error
            raise LedgerError(f"{self.path} cannot be used now: {error}") from error

    def size(self) -> int:
        """Return the bytes of the file and of its log."""
        return sum(path.stat().st_size for path in self._files() if path.exists())

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_private(self) -> None:
        """Create the file before SQLite does, since its companions inherit its permissions."""
        directory = self.path.parent
        directory.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        if os.name != "nt":
            for path in self._files():
                if path.exists():
                    path.chmod(0o600)

    def _check(self, connection: sqlite3.Connection) -> None:
        """Check the whole file if the last gateway did not close it."""
        if not self.path.with_name(f"{self.path.name}-wal").exists():
            return
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"database disk image is malformed: {found}")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise NewerVersionError(
                f"{self.path} was written by a newer version of antigravity (its version is "
                f"{version}, and this one knows {VERSION})"
            )
        for number in range(version + 1, VERSION + 1):
            script = (_SQL / f"schema_{number}.sql").read_text("utf-8")
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            )

    def _set_aside(self, error: Exception) -> LedgerError:
        """Rename the damaged file, and return the error that says so."""
        aside = self.path.with_name(f"{self.path.name}.broken")
        try:
            os.replace(self.path, aside)
            for companion in self._files()[1:]:
                companion.unlink(missing_ok=True)
        except OSError as failure:
            return LedgerError(
                f"{self.path} is damaged ({error}) and could not be renamed: {failure}"
            )
        return DamagedError(f"{self.path} is damaged ({error}); it was renamed to {aside.name}")

    def _files(self) -> list[Path]:
        return [self.path, *(self.path.with_name(self.path.name + end) for end in _COMPANIONS)]


def is_damage(error: Exception) -> bool:
    """Return whether an error means a damaged file; all others may be temporary."""
    if "malformed" in str(error):
        return isinstance(error, sqlite3.DatabaseError)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
