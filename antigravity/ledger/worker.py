"""What happens in the writer's thread of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from antigravity.interfaces.payloads import RawPayloads
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.database import Database
from antigravity.ledger.errors import DamagedError, LedgerError
from antigravity.ledger.payload_text import PayloadRedactor
from antigravity.ledger.retention import Retention
from antigravity.ledger.rows import Pricer, RequestRow, RowNumbers
from antigravity.ledger.spool import Batch, Spool
from antigravity.ledger.writer import Writer
from antigravity.logs import make_logger

#: Seconds without another attempt after the server was away: the first time, and at most.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
#: So many times rows get new numbers because other gateways have just used theirs.
_CONFLICTS: Final = 10
#: So many rows of the spool are written in one transaction, at least.
_REPLAYED: Final = 500


class Worker:
    """Writes and deletes; the database is opened when it is first needed.

    :param spool: keeps rows while the server of the database is away.
    """

    log = make_logger()

    def __init__(
        self,
        database: Database,
        now: Callable[[], float],
        price: Pricer,
        *,
        numbers: RowNumbers | None = None,
        spool: Spool | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._writer = Writer(database, now, price, numbers)
        self._retention = Retention(database, self._writer)
        self._spool = spool
        self._pause = 0.0
        self._failed = 0.0
        self._away = ""
        self._given: dict[tuple[str, int], int] = {}

    def run(self, work: Callable[[Worker], Any]) -> tuple[Any, int, str]:
        """Return what ``work`` returns, the size of the ledger, and what is wrong with it.

        The result is ``None`` if the work failed.  A damaged file is set aside, and the work is
        done again in a new one.
        """
        try:
            try:
                result = work(self)
            except DamagedError as error:
                self.log.error("{error}; a new ledger begins", error=str(error))
                result = work(self)
        except LedgerError as error:
            return None, 0, str(error)
        except Exception as error:  # noqa: BLE001 - a fault here must not cost a record
            self.log.failure("the ledger failed")
            return None, 0, f"unexpected {type(error).__name__}"
        return result, self._database.size(), self._away

    @property
    def spooled(self) -> int:
        """How many rows wait in the spool."""
        return self._spool.waiting if self._spool is not None else 0

    def write(
        self, records: Sequence[ExchangeRecord], refusals: Mapping[tuple[int, str], int]
    ) -> list[RequestRow]:
        """Write finished exchanges and numbers of refused requests; return the rows.

        A record that cannot be stored, such as one with an impossible number, is left out, so
        that it does not hold up the others.  While the server is away all go into the spool.
        """
        if self._spool is None:
            self._writer.open()
            return self._store(self._writer.make(records, refusals))
        given, self._given = self._given, {}
        batch = self._writer.make(records, refusals, given)
        try:
            with self._server():
                return self._store_again([batch]) if given else self._store(batch)
        except LedgerError:
            try:
                return self._append(self._spool, batch)
            except LedgerError:
                # They may be in the database all the same: the next attempt uses their numbers.
                self._given = {(row.id, row.started): row.number for row in batch.rows}
                raise

    def replay(self) -> bool:
        """Write some rows that wait in the spool; return whether there are more.

        :raises LedgerError: if the server is still away.
        """
        spool = self._spool
        if spool is None:
            return False
        spool.open()
        batches, end = spool.peek(_REPLAYED)
        if batches:
            with self._server():
                self._store_again(batches)
            spool.drop(batches, end)
        return not spool.is_empty

    def _store(self, batch: Batch) -> list[RequestRow]:
        """Store a batch; return its rows without those that cannot be stored."""
        try:
            self._writer.store(batch)
        except LedgerError:
            raise
        except Exception:
            if not batch.rows:
                raise
            return self._store_again([batch])
        return batch.rows

    def _store_again(self, batches: Sequence[Batch]) -> list[RequestRow]:
        """Store batches, without rows that are there, and without those that cannot be stored."""
        try:
            self._store_all(batches)
        except LedgerError:
            raise
        except Exception:
            rows = [row for batch in batches for row in batch.rows]
            if not rows:
                raise
            if len(rows) == 1:
                self.log.failure("the request {id} is not in the ledger", id=rows[0].id)
                refusals = [each for batch in batches for each in batch.refusals]
                self._writer.store(Batch(refusals=refusals))
                return []
            first, second = _halves(batches)
            return self._store_again(first) + self._store_again(second)
        return [row for batch in batches for row in batch.rows]

    def write_payloads(self, payloads: Sequence[RawPayloads], redactor: PayloadRedactor) -> int:
        """Write payloads without secrets; return about how many bytes they take.

        Those that cannot be stored are left out.
        """
        try:
            with self._server():
                return self._writer.write_payloads(payloads, redactor)
        except LedgerError:
            raise
        except Exception:  # noqa: BLE001 - a fault here must not cost the others
            if len(payloads) == 1:
                request_id = payloads[0].request_id
                self.log.failure("the payloads of {id} are not in the ledger", id=request_id)
                return 0
            return sum(self.write_payloads([each], redactor) for each in payloads)

    def _store_all(self, batches: Sequence[Batch]) -> None:
        """Store batches, without rows that are there, also if other gateways have their numbers."""
        for _ in range(_CONFLICTS):
            try:
                return self._writer.store_again(batches)
            except Exception as error:
                if not self._database.is_conflict(error):
                    raise
        return self._writer.store_again(batches)

    def _append(self, spool: Spool, batch: Batch) -> list[RequestRow]:
        """Keep a batch for later; return its rows without those that cannot be kept."""
        try:
            spool.append(batch)
        except LedgerError:
            raise
        except Exception:  # noqa: BLE001 - the other rows must be kept
            if len(batch.rows) < 2:
                for row in batch.rows:
                    self.log.failure("the request {id} is not in the ledger", id=row.id)
                spool.append(Batch(refusals=batch.refusals))
                return []
            first, second = _halves([batch])
            return self._append(spool, first[0]) + self._append(spool, second[0])
        return batch.rows

    def keep_bounds(self, bounds: Bounds, now: float) -> bool:
        """Delete a little of what is too much; return whether there is more."""
        with self._server():
            return self._retention.step(bounds, now)

    def open(self) -> None:
        """Create the database, if there is none."""
        with self._server():
            self._writer.open()

    def replace(self, problem: str) -> None:
        """Begin a new database in the place of one that was found to be damaged.

        :raises LedgerError: if that is not possible.
        """
        self._writer.close()
        error = self._database.set_aside(problem)
        if not isinstance(error, DamagedError):
            raise error
        self.log.error("{error}; a new ledger begins", error=str(error))
        self._writer.open()

    @contextmanager
    def _server(self) -> Iterator[None]:
        """Return a context that leaves a server alone for a while after it was away."""
        if self._away and 0 <= self._now() - self._failed < self._pause:
            raise LedgerError(self._away)
        try:
            yield
        except LedgerError as error:
            if self._spool is not None:
                self._away = str(error)
                self._failed = self._now()
                self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
            raise
        self._away, self._pause = "", 0.0

    def close(self) -> None:
        """Close the database and the spool."""
        self._writer.close()
        if self._spool is not None:
            self._spool.close()


def _halves(batches: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
    """Divide batches into two parts with about as many rows; a single one is divided, too."""
    if len(batches) > 1:
        middle = len(batches) // 2
        return list(batches[:middle]), list(batches[middle:])
    (batch,) = batches
    middle = len(batch.rows) // 2
    limit = batch.rows[middle].number
    first = [each for each in batch.attempts if each.request < limit]
    second = [each for each in batch.attempts if each.request >= limit]
    return (
        [Batch(batch.rows[:middle], first, batch.refusals)],
        [Batch(batch.rows[middle:], second)],
    )
