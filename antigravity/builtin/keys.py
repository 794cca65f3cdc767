"""The built-in kinds of key store: files of the home directory, and PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from zope.interface import implementer

from antigravity.config.key_settings import HOME_FILES
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.key_store import IKeyStore, IKeyStoreKind

#: Where settlements of budgets wait while the database is away.
_UNSETTLED_FILE: Final = "settlements.json"
#: Seconds: what a process that is killed forgets, as for rows of the ledger.
_DELAY: Final = 0.2


@implementer(IKeyStoreKind)
class FileKind:
    """The files of the home directory."""

    schemes = (HOME_FILES.rstrip(":"),)

    def name(self, url: str) -> str:
        """Return the address."""
        if url != HOME_FILES:
            raise ValueError(f"{HOME_FILES} has no path: the keys are in the home directory")
        return url

    def build(self, reactor: Any, home: Path, url: str) -> IKeyStore:
        """Return the files of a home."""
        from antigravity.keys.file_store import SPENDING_FILE, FileKeyStore
        from antigravity.stores.json_state import open_state

        self.name(url)
        store = open_state(reactor, home / "state" / SPENDING_FILE, delay=_DELAY)
        return FileKeyStore(reactor, home, store, time.time)


@implementer(IKeyStoreKind)
class PostgresKind:
    """A PostgreSQL server."""

    schemes = ("postgresql", "postgres")

    def name(self, url: str) -> str:
        """Return an address without user and password."""
        from antigravity.stores.postgres_server import Server

        try:
            return Server(url).name
        except ValueError:
            raise ValueError("this is no address of PostgreSQL") from None

    def build(self, reactor: Any, home: Path, url: str) -> IKeyStore:
        """Return the keys on a server."""
        from antigravity.keys.postgres_store import PostgresKeyStore
        from antigravity.stores.json_state import open_state
        from antigravity.stores.postgres_server import Server

        self.name(url)
        store = open_state(reactor, home / "state" / _UNSETTLED_FILE, delay=_DELAY)
        return PostgresKeyStore(reactor, Server(url), store)


@hookimpl
def register_stores(register: Callable[[object], None]) -> None:
    """Register the built-in kinds of key store."""
    register(FileKind())
    register(PostgresKind())
