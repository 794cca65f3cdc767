"""The database that a ledger has."""

from __future__ import annotations

from pathlib import Path

from antigravity.ledger.database import Database
from antigravity.stores.postgres_server import Server


def open_database(path: Path, server: Server | None) -> Database:
    """Return the database on a server, else the one in a file; nothing is opened yet."""
    if server is not None:
        from antigravity.ledger.postgres import PostgresDatabase

        return PostgresDatabase(server)
    from antigravity.ledger.sqlite import SqliteDatabase

    return SqliteDatabase(path)
