"""The ledger in a PostgreSQL database, which several gateways can share.

Its tables are in the schema ``antigravity``.  Everything that a connection sets is set for one
transaction, so that a pool of connections may stand in between.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakSet

from aiosql.adapters.pyformat import PyFormatAdapter

from antigravity.ledger.database import Connection, Database
from antigravity.ledger.errors import LedgerError
from antigravity.ledger.queries import Query
from antigravity.stores.postgres_migration import MIGRATION_LOCK, migrate
from antigravity.stores.postgres_server import (
    SCHEMA,
    MissingClientError,
    Server,
    break_connection,
)
from antigravity.stores.postgres_server import load_client as load_any_client

if TYPE_CHECKING:
    import psycopg

#: Seconds to wait for a connection, and for what was sent to be received.
_CONNECT_TIMEOUT: Final = 10
_SEND_TIMEOUT: Final = 30
#: Milliseconds after which the server ends a statement of the writer, and of a reader.
_WRITE_LIMIT: Final = 30_000
_READ_LIMIT: Final = 20_000
#: Milliseconds to wait for another gateway that changes the tables, or that uses one.
_LOCK_WAIT: Final = 30_000
#: The lock that gateways take for one transaction to delete rows.
_DELETING: Final = MIGRATION_LOCK + 1
#: Bytes of a row beside its values: its head in the table, and its places in the indexes.
_ROW_BYTES: Final = {"requests": 28 + 7 * 40, "attempts": 28 + 40}
#: So many of the newest rows tell how large rows are.
_SAMPLE: Final = 1000
#: Seconds until the server's numbers of rows tell of a deletion.
_STATISTICS_DELAY: Final = 5.0
#: Bytes of a table that may be empty.
_SMALL: Final = 2**20
#: The other tables, whose rows are few.
_SUMS: Final = ("hours", "names_by_hour", "names", "refusals")
#: What SQLite's words are called here.
_DIALECT: Final = (
    (r"\bINTEGER\b", "BIGINT"),
    (r"\bTEXT\b", 'TEXT COLLATE "C"'),
    (r"\bBLOB\b", "BYTEA"),
    (r" WITHOUT ROWID", ""),
)
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")


class _Adapter(PyFormatAdapter):
    """An adapter of aiosql's queries, which escapes percent signs."""

    def process_sql(self, query_name: str, op_type: Any, sql: str) -> str:
        escaped = sql.replace("%", "%%")
        return str(super().process_sql(query_name, op_type, escaped))  # type: ignore[no-untyped-call]


class PostgresDatabase(Database):
    """The database at the address of ``server``."""

    driver: ClassVar[Any] = _Adapter
    placeholder: ClassVar[str] = "%s"
    remote: ClassVar[bool] = True

    def __init__(self, server: Server) -> None:
        self._server = server
        self.name = server.name
        self._size = 0
        self._connections: WeakSet[psycopg.Connection[Any]] = WeakSet()
        self._is_migrating = False
        self._deletions: list[tuple[float, int]] = []

    def prepare(self) -> Any:
        """Create the tables or bring them up to date, and return the writer's connection."""
        connection = self._connect()
        try:
            with self.errors():
                self._migrate(connection)
                with self.reading(connection):
                    self.used_bytes(connection)  # for the size
        except BaseException:
            connection.close()
            raise
        return connection

    def open_reader(self) -> Any:
        """Return a connection whose transactions change nothing."""
        from psycopg.rows import dict_row

        connection = self._connect()
        connection.row_factory = dict_row
        return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise errors of the server and of the network as ``LedgerError``."""
        psycopg = load_client()
        try:
            yield
        except (
            psycopg.IntegrityError,
            psycopg.DataError,
            psycopg.errors.ProgramLimitExceeded,  # names that are too long for an index
        ):
            raise
        except psycopg.ProgrammingError as error:
            if error.sqlstate is None:  # the driver refuses a value
                raise
            raise self._failure(error) from None
        except (psycopg.Error, OSError) as error:
            raise self._failure(error) from None

    def is_conflict(self, error: Exception) -> bool:
        """Return whether an error means that a row has the key of another one."""
        return isinstance(error, load_client().errors.UniqueViolation)

    def check(self) -> str:
        """Leave this to the server."""
        return ""

    def stop_check(self) -> None:
        """Do nothing: there is no check."""

    def begin(self, connection: Any) -> None:
        """Begin a transaction."""
        connection.execute(f"BEGIN; {_settings(_WRITE_LIMIT)}")

    @contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        """Return a context in which the writer reads."""
        with self.transaction(connection):
            yield

    def begin_question(self, connection: Any) -> None:
        """Begin a transaction that reads, whose statements are ended when they take too long."""
        connection.execute(f"BEGIN READ ONLY; {_settings(_READ_LIMIT)}")

    def end_question(self, connection: Any) -> None:
        """End the transaction."""
        connection.execute("COMMIT")

    def used_bytes(self, connection: Any) -> int:
        """Return an estimate of what the rows that are there need.

        The files do not shrink when rows are deleted: their space is used for later ones.
        """
        used, self._size = 0, 0
        now = time.monotonic()
        self._deletions = [each for each in self._deletions if each[0] > now - _STATISTICS_DELAY]
        deleted = sum(rows for _, rows in self._deletions)
        for table, overhead in _ROW_BYTES.items():
            order = "number" if table == "requests" else "request"
            rows, mean, size = connection.execute(
                f"""SELECT coalesce(pg_stat_get_live_tuples(oid), 0), (
                    SELECT coalesce(avg(pg_column_size(sample.*)), 0)::bigint FROM (
                        SELECT * FROM {table} ORDER BY {order} DESC LIMIT {_SAMPLE}
                    ) AS sample
                ), pg_total_relation_size(oid)
                FROM pg_class WHERE oid = '{SCHEMA}.{table}'::regclass"""  # noqa: S608 - names of this module
            ).fetchone()
            if not rows and size > _SMALL:  # the server has lost its numbers in a crash
                connection.execute(f"ANALYZE {table}")
            used += max(0, rows - deleted) * (mean + overhead)
            self._size += size
        for table in (*_SUMS, "payloads"):
            sql = f"SELECT pg_total_relation_size('{SCHEMA}.{table}'::regclass)"
            size = connection.execute(sql).fetchone()[0]
            used += 0 if table == "payloads" else size
            self._size += size
        return int(used)

    def note_deletion(self, rows: int) -> None:
        """Count deleted requests, of which the server's statistics do not tell yet."""
        self._deletions.append((time.monotonic(), rows))

    def reclaim(self, connection: Any) -> None:
        """Leave this to the server's autovacuum."""

    def may_delete(self, connection: Any) -> bool:
        """Return whether no other gateway deletes rows in this moment."""
        sql = f"SELECT pg_try_advisory_xact_lock({_DELETING})"
        return bool(connection.execute(sql).fetchone()[0])

    def size(self) -> int:
        """Return the bytes of the tables, as last looked up."""
        return self._size

    def abort(self) -> None:
        """End all connections, unless the tables are being changed, which may take long."""
        if self._is_migrating:
            return
        for connection in tuple(self._connections):
            break_connection(connection)

    def translate(self, sql: str) -> str:
        """Return some SQL in the dialect of PostgreSQL.

        Integers have 64 bits, and text is compared by its bytes, both as in SQLite.
        """
        for pattern, name in _DIALECT:
            sql = re.sub(pattern, name, sql)
        return sql

    def fetch(self, connection: Any, query: Query) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        sql = _PARAMETER.sub(r"%(\1)s", query.sql.replace("%", "%%"))
        rows: list[dict[str, Any]] = connection.execute(sql, query.parameters).fetchall()
        return rows

    def _connect(self) -> Any:
        psycopg = load_client()
        try:
            connection = self._server.connect(_CONNECT_TIMEOUT, _SEND_TIMEOUT)
        except (psycopg.Error, OSError) as error:
            raise self._failure(error) from None
        # Sums of integers are integers.
        connection.adapters.register_loader("numeric", psycopg.types.numeric.IntLoader)
        self._connections.add(connection)
        return connection

    def _migrate(self, connection: Any) -> None:
        def begun() -> None:
            self._is_migrating = True  # only now: the wait for another gateway may be ended

        try:
            migrate(
                connection, "ledger_version", self.migrations, lock_wait=_LOCK_WAIT, begun=begun
            )
        finally:
            self._is_migrating = False

    def _failure(self, error: Exception) -> LedgerError:
        return self.unusable(self._server.explain(error))


def load_client() -> Any:
    """Return the module of the client.

    :raises LedgerError: if it is not installed.
    """
    try:
        return load_any_client()
    except MissingClientError as error:
        raise LedgerError(str(error)) from None


def _settings(limit: int) -> str:
    """Return what a transaction sets."""
    return f"SET LOCAL search_path = {SCHEMA}; SET LOCAL statement_timeout = {limit}"
