"""What the ledger needs of a database, and what all databases have in common.

The SQL in ``sql/`` is the same for all; a database says how it differs.  All methods block on the
disk or on the network: call them in threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.resources import files
from typing import Any, ClassVar, Final, Protocol

import aiosql
from msgspec import Struct
from msgspec.structs import astuple

from antigravity.ledger.errors import LedgerError, NewerVersionError
from antigravity.ledger.queries import Query

#: The version of the tables; ``sql/schema_N.sql`` makes version N from the one before.
VERSION: Final = 4
_SQL: Final = files(__package__) / "sql"


class Connection(Protocol):
    """A connection of a driver."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Execute one statement, and return a cursor of its rows."""

    def cursor(self) -> Any:
        """Return a cursor."""

    def close(self) -> None:
        """Close it."""


class Database(ABC):
    """A database of one kind.

    :cvar driver: the name of its driver, or its adapter, for aiosql.
    :cvar placeholder: what stands for a value in SQL.
    :cvar remote: whether it is on a server: several gateways may write, and connections may break.
    :ivar name: what people call it, without credentials.
    :ivar generation: changes when another database takes the place of a damaged one, whose
        connections are then of no use.
    :ivar is_unchecked: whether it is in use, but may be damaged: see :meth:`check`.
    """

    driver: ClassVar[Any]
    placeholder: ClassVar[str] = "?"
    remote: ClassVar[bool] = False
    name: str
    generation: int = 0
    is_unchecked: bool = False

    @abstractmethod
    def prepare(self) -> Connection:
        """Create the tables or bring them up to date, and return the writer's connection.

        :raises DamagedError: if the database was damaged; it was set aside, so that the next call
            creates another one.
        :raises LedgerError: if it cannot be used.
        """

    @abstractmethod
    def open_reader(self) -> Connection:
        """Return a connection that cannot change anything, whose rows are mappings.

        :raises LedgerError: if the database cannot be used.
        """

    @abstractmethod
    def errors(self) -> AbstractContextManager[None]:
        """Raise errors of the driver and of the system as ``LedgerError``.

        Errors of single values stay what they are: the database can be used.
        """

    @abstractmethod
    def is_conflict(self, error: Exception) -> bool:
        """Return whether an error means that a row has the key of another one."""

    @abstractmethod
    def check(self) -> str:
        """Return what is damaged, empty for nothing; it takes long, while others use the database.

        Call :meth:`set_aside` in the writer's thread if something is.
        """

    @abstractmethod
    def stop_check(self) -> None:
        """End :meth:`check`; any thread may call this."""

    def set_aside(self, problem: str) -> LedgerError:
        """Let a new database take the place of the damaged one, and return what to say.

        It is a ``DamagedError`` if that was possible.
        """
        return self.unusable(problem)

    @abstractmethod
    def begin(self, connection: Connection) -> None:
        """Begin a transaction that changes something."""

    @contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        """Return a context in which the writer reads, and waits for no other writer."""
        yield

    @abstractmethod
    def begin_question(self, connection: Connection) -> None:
        """Prepare for a question, which ends with an error when it takes too long."""

    @abstractmethod
    def end_question(self, connection: Connection) -> None:
        """End what :meth:`begin_question` began."""

    @abstractmethod
    def used_bytes(self, connection: Connection) -> int:
        """Return how much space all but payloads needs; in a transaction.

        Payloads have a limit of their own.
        """

    @abstractmethod
    def note_deletion(self, rows: int) -> None:
        """Learn that so many requests are being deleted."""

    @abstractmethod
    def reclaim(self, connection: Connection) -> None:
        """Give a little space that was freed back to the system; not in a transaction."""

    def may_delete(self, connection: Connection) -> bool:
        """Return whether no other gateway deletes rows in this moment; in a transaction."""
        return True

    @abstractmethod
    def size(self) -> int:
        """Return the bytes on disk, as last known."""

    @abstractmethod
    def abort(self) -> None:
        """End what threads do in the database, which does not answer; any thread may call this."""

    def translate(self, sql: str) -> str:
        """Return some SQL in the dialect of this database."""
        return sql

    def load_queries(self, *names: str) -> Any:
        """Return the queries in ``sql/NAME.sql`` as functions of a connection and parameters."""
        text = "\n".join((_SQL / f"{name}.sql").read_text("utf-8") for name in names)
        return aiosql.from_str(self.translate(text), self.driver)

    def insert(self, connection: Connection, table: str, rows: Sequence[Struct]) -> None:
        """Insert rows, all of one class, whose fields are the columns of the table.

        Values go by their places, which takes half the time that names take.
        """
        if not rows:
            return
        columns = rows[0].__struct_fields__
        places = ", ".join([self.placeholder] * len(columns))
        connection.cursor().executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})",  # noqa: S608 - names of this room
            map(astuple, rows),
        )

    def fetch(self, connection: Connection, query: Query) -> list[dict[str, Any]]:
        """Return the rows of a query, for a reader's connection."""
        return [dict(row) for row in connection.execute(query.sql, query.parameters)]

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """Return a context whose changes are made together or not at all."""
        self.begin(connection)
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # Closing would not end it as long as a failed statement is referred to.
            with suppress(Exception):
                connection.execute("ROLLBACK")
            raise

    def migrations(self, version: int) -> Iterator[tuple[int, str]]:
        """Return the scripts that follow a version, with the versions that they make.

        :raises NewerVersionError: if this program does not know the version.
        """
        if version > VERSION:
            raise NewerVersionError(
                f"{self.name} was written by a newer version of antigravity (its version is "
                f"{version}, and this one knows {VERSION})"
            )
        for number in range(version + 1, VERSION + 1):
            yield number, self.translate((_SQL / f"schema_{number}.sql").read_text("utf-8"))

    def unusable(self, reason: object) -> LedgerError:
        """Return the error that says why the database cannot be used."""
        return LedgerError(f"{self.name} cannot be used now: {reason}")
