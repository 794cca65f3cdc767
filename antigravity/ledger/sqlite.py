"""The default database of the ledger: one SQLite file, readable by its owner only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Final

from msgspec import Struct
from msgspec.structs import astuple

from antigravity.ledger.database import Connection, Database
from antigravity.ledger.errors import DamagedError, LedgerError
from antigravity.stores.damaged_files import aside_name

#: Seconds to wait for another process that has locked the file, such as a backup.
_LOCK_TIMEOUT: Final = 5.0
_COMPANIONS: Final = ("-wal", "-shm")
#: KiB of pages that a connection keeps.
_CACHE: Final = 2048
#: The most pages that are given back to the system at once.
_PAGES: Final = 500
#: Bytes of a file that is checked before it is used; a larger one is checked meanwhile.
_CHECKED_FIRST: Final = 32 * 1024 * 1024
#: Instructions of SQLite after which a check looks whether it shall end.
_CHECK_STEP: Final = 100_000
#: A query ends with an error after so many steps of so many instructions of SQLite.
_STEPS: Final = 4_000
_STEP: Final = 100_000
#: So many rows are inserted with one statement, as many as possible; their values are at most
#: 32,766, which is the limit of SQLite, and more rows need more memory.
_ROWS: Final = (64, 16, 4, 1)


class SqliteDatabase(Database):
    """The file at ``path``, which :meth:`prepare` creates."""

    driver: ClassVar[Any] = "sqlite3"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self._check_connection: sqlite3.Connection | None = None
        self._is_check_stopped = False

    def prepare(self) -> sqlite3.Connection:
        """Create the file or bring its tables up to date, and return the writer's connection."""
        with self.errors():
            self._make_private()
            was_open = self._was_open()  # a connection creates the log that tells this
            connection = self._connect()
            try:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                scripts = list(self.migrations(version))
                if not version:  # it would write to the file each time
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
                if was_open:
                    self._check_first(connection)
                for number, script in scripts:
                    connection.executescript(
                        f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
                    )
            except BaseException:
                connection.close()
                raise
        return connection

    def open_reader(self) -> sqlite3.Connection:
        """Return a connection that cannot change anything."""
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
        """Raise errors of SQLite and of the system as ``LedgerError``."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError):
            raise
        except (sqlite3.DatabaseError, OSError) as error:
            if is_damage(error):
                raise self._set_aside(error) from error
            raise self.unusable(error) from error

    def insert(self, connection: Connection, table: str, rows: Sequence[Struct]) -> None:
        """Insert rows, many with one statement.

        The driver releases the interpreter's lock for each statement.  While the event loop is
        busy, the thread that takes it back waits for milliseconds, and both threads lose time.
        """
        start = 0
        for size in _ROWS:
            while len(rows) - start >= size:
                some = rows[start : start + size]
                connection.execute(
                    _insertion(table, some[0].__struct_fields__, size),
                    tuple(chain.from_iterable(map(astuple, some))),
                )
                start += size

    def is_conflict(self, error: Exception) -> bool:
        """Return whether an error means that a row has the key of another one."""
        return isinstance(error, sqlite3.IntegrityError)

    def begin(self, connection: Any) -> None:
        """Begin a transaction, and wait for others that write."""
        connection.execute("BEGIN IMMEDIATE")

    def begin_question(self, connection: Any) -> None:
        """Let a query end with an error when it takes too long."""
        steps = iter(range(_STEPS))
        connection.set_progress_handler(lambda: next(steps, None) is None, _STEP)

    def end_question(self, connection: Any) -> None:
        """Let queries take as long as they like."""
        connection.set_progress_handler(None, 0)

    def used_bytes(self, connection: Any) -> int:
        """Return the bytes of the pages in use, without those of payloads."""
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        (payloads,) = connection.execute("SELECT coalesce(sum(stored), 0) FROM payloads").fetchone()
        return int((pages - free) * size - payloads)

    def note_deletion(self, rows: int) -> None:
        """Do nothing: the pages in use are known."""

    def reclaim(self, connection: Any) -> None:
        """Shrink the file a little, if pages are free."""
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()

    def size(self) -> int:
        """Return the bytes of the file and of its log."""
        return sum(path.stat().st_size for path in self._files() if path.exists())

    def abort(self) -> None:
        """Do nothing: a disk answers, and locks have a time limit."""

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

    def check(self) -> str:
        """Return what is damaged in the file, empty for nothing or if the check was ended."""
        self.is_unchecked = False
        try:
            connection = self._check_connection = self._connect()
            try:
                connection.execute("PRAGMA query_only = ON")
                connection.set_progress_handler(lambda: self._is_check_stopped, _CHECK_STEP)
                if self._is_check_stopped:
                    return ""
                damage = _damage(connection)
                self._unchecked_mark().unlink(missing_ok=True)
                return damage
            finally:
                self._check_connection = None
                connection.close()
        except (sqlite3.DatabaseError, OSError) as error:
            return str(error) if is_damage(error) else ""

    def stop_check(self) -> None:
        """End the check."""
        self._is_check_stopped = True
        connection = self._check_connection
        if connection is not None:
            with suppress(sqlite3.ProgrammingError):  # it has just been closed
                connection.interrupt()

    def set_aside(self, problem: str) -> LedgerError:
        """Rename the file."""
        return self._set_aside(problem)

    def _was_open(self) -> bool:
        """Return whether the last gateway did not close the file, or did not end its check."""
        wal = self.path.with_name(f"{self.path.name}-wal")
        return wal.exists() or self._unchecked_mark().exists()

    def _check_first(self, connection: sqlite3.Connection) -> None:
        """Check the file before it is used, or let a large one be checked later."""
        if self.path.stat().st_size > _CHECKED_FIRST:
            self._unchecked_mark().touch(0o600)  # the file may be closed before it was checked
            self.is_unchecked = True
        elif found := _damage(connection):
            raise sqlite3.DatabaseError(found)

    def _set_aside(self, error: object) -> LedgerError:
        """Rename the damaged file, and return the error that says so."""
        aside = aside_name(self.path)
        try:
            os.replace(self.path, aside)
            for companion in self._files()[1:]:
                companion.unlink(missing_ok=True)
        except OSError as failure:
            return LedgerError(
                f"{self.path} is damaged ({error}) and could not be renamed: {failure}"
            )
        self.generation += 1
        return DamagedError(f"{self.path} is damaged ({error}); it was renamed to {aside.name}")

    def _unchecked_mark(self) -> Path:
        """Return the file that exists until a check has ended."""
        return self.path.with_name(f"{self.path.name}.unchecked")

    def _files(self) -> list[Path]:
        return [self.path, *(self.path.with_name(self.path.name + end) for end in _COMPANIONS)]


@cache
def _insertion(table: str, columns: tuple[str, ...], rows: int) -> str:
    """Return a statement that inserts rows.  All names are of this room."""
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"  # noqa: S608


def _damage(connection: sqlite3.Connection) -> str:
    """Return the first damage of the file, empty if there is none."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return "" if found == "ok" else f"database disk image is malformed: {found}"


def is_damage(error: Exception) -> bool:
    """Return whether an error means a damaged file; all others may be temporary."""
    if "malformed" in str(error):
        return isinstance(error, sqlite3.DatabaseError)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
