"""The database of a ledger with what writes and reads it, which are opened when they are needed.

SQLite and psycopg are imported here, in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from antigravity.ledger.database import Database
    from antigravity.ledger.reader import Reader
    from antigravity.ledger.rows import Pricer
    from antigravity.ledger.worker import Worker
    from antigravity.stores.postgres_server import Server


class Storage:
    """The storage of a ledger.

    One thread at a time may call :meth:`work`, :meth:`open_reader` and :meth:`close`.

    :param path: the file of the database, or with a server and the ending ``.spool`` that of rows
        that wait, of ``spool_limit`` bytes at most.
    :ivar database: the database, :ivar worker: what writes it, :ivar reader: what reads it; each is
        ``None`` before it is opened.
    """

    def __init__(
        self,
        path: Path,
        server: Server | None,
        spool_limit: int,
        now: Callable[[], float],
        price: Pricer,
    ) -> None:
        self._path = path
        self._server = server
        self._spool_limit = spool_limit
        self._now = now
        self._price = price
        self._is_closed = False
        self.database: Database | None = None
        self.worker: Worker | None = None
        self.reader: Reader | None = None

    def work(self, work: Callable[[Worker], Any]) -> tuple[Any, int, str]:
        """Return what ``work`` returns, the size of the database in bytes, and the problem.

        The result is ``None`` if there is a problem.
        """
        if self._is_closed:
            return None, 0, "it is closed"
        if self.worker is None:
            self.worker = self._make_worker()
        return self.worker.run(work)

    def open_reader(self, worker: Worker) -> None:
        """Create the database, if there is none, and what reads it."""
        from antigravity.ledger.reader import Reader

        worker.open()
        self.reader = self.reader or Reader(self._open_database())

    def abort(self) -> None:
        """End the connections to the server, so that threads do not wait for it."""
        if self.database is not None:
            self.database.abort()

    def close(self) -> None:
        """Close everything for good."""
        self._is_closed = True
        if self.worker is not None:
            self.worker.close()
        if self.reader is not None:
            self.reader.close()

    def _make_worker(self) -> Worker:
        from antigravity.ledger.worker import Worker

        database = self._open_database()
        if self._server is None:
            return Worker(database, self._now, self._price)
        from antigravity.ledger.rows import RowNumbers
        from antigravity.ledger.spool import Spool

        # A few gateways may have the same number: see Writer.store_again.
        return Worker(
            database,
            self._now,
            self._price,
            numbers=RowNumbers.of_any_node(),
            spool=Spool(self._path.with_suffix(".spool"), self._spool_limit),
        )

    def _open_database(self) -> Database:
        if self.database is None:
            from antigravity.ledger.choice import open_database

            self.database = open_database(self._path, self._server)
        return self.database
