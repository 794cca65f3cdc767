"""Create and change tables on a PostgreSQL server: one gateway at a time, with limited waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from antigravity.stores.postgres_server import SCHEMA

#: The lock that gateways take for one transaction to create or change tables.
MIGRATION_LOCK: Final = 4_702_111_234_474_983_745


def migrate(
    connection: Any,
    table: str,
    scripts: Callable[[int], Iterable[tuple[int, str]]],
    *,
    lock_wait: int,
    statement_limit: int = 0,
    begun: Callable[[], None] = lambda: None,
) -> None:
    """Run the scripts that are missing, all in one transaction.

    :param table: the table in which the version is.
    :param scripts: returns the scripts that follow a version, with the versions that they make.
    :param lock_wait: milliseconds to wait for another gateway, or for whoever uses a table.
    :param statement_limit: milliseconds after which the server ends a statement, 0 for never.
    :param begun: is called when this gateway has the lock.
    :raises Exception: of ``scripts``, or of the client; nothing has changed then.
    """
    # Each statement sees what the gateway did that had the lock before.
    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    try:
        connection.execute(f"SET LOCAL lock_timeout = {lock_wait}")
        connection.execute(f"SET LOCAL statement_timeout = {statement_limit}")
        connection.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        begun()
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        connection.execute(f"SET LOCAL search_path = {SCHEMA}")
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (version BIGINT NOT NULL)")
        found = connection.execute(f"SELECT max(version) FROM {table}").fetchone()[0]  # noqa: S608 - names of callers
        for number, script in scripts(found or 0):
            connection.execute(script)
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of callers
            connection.execute(f"INSERT INTO {table} VALUES (%s)", [number])  # noqa: S608 - names of callers
        connection.execute("COMMIT")
    except BaseException:
        with suppress(Exception):
            connection.execute("ROLLBACK")
        raise
