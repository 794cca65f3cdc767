"""The databases of the ledger, for tests that are the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from antigravity.ledger.database import Database
from antigravity.ledger.reader import Reader
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ledger.writer import Writer
from antigravity.stores.postgres_server import Server
from tests.support.records import Time, price


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Return an empty database of each kind."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path / "state" / "ledger.db")
    from antigravity.ledger.postgres import PostgresDatabase

    return PostgresDatabase(Server(request.getfixturevalue("postgres").url()))


@pytest.fixture
def writer(database: Database, clock: Time) -> Iterator[Writer]:
    writer = Writer(database, clock, price)
    yield writer
    writer.close()


@pytest.fixture
def reader(database: Database) -> Iterator[Reader]:
    reader = Reader(database)
    yield reader
    reader.close()
