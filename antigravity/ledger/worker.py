"""What happens in the writer's thread of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from antigravity.interfaces.payloads import RawPayloads
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.database import Database
from antigravity.ledger.errors import DamagedError, LedgerError
from antigravity.ledger.payload_text import PayloadRedactor
from antigravity.ledger.retention import Retention
from antigravity.ledger.rows import Pricer, RequestRow
from antigravity.ledger.writer import Writer
from antigravity.logs import make_logger


class Worker:
    """Writes and deletes; the database is opened when it is first needed."""

    log = make_logger()

    def __init__(self, database: Database, now: Callable[[], float], price: Pricer) -> None:
        self._database = database
        self._writer = Writer(database, now, price)
        self._retention = Retention(database, self._writer)

    def run(self, work: Callable[[Worker], Any]) -> tuple[Any, int, str]:
        """Return what ``work`` returns, the size of the ledger, and why the work failed.

        A damaged file is set aside, and the work is done again in a new one.
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
        return result, self._database.size(), ""

    def write(
        self, records: Sequence[ExchangeRecord], refusals: Mapping[tuple[int, str], int]
    ) -> list[RequestRow]:
        """Write finished exchanges and numbers of refused requests; return the rows.

        A record that cannot be stored, such as one with an impossible number, is left out, so
        that it does not hold up the others.
        """
        try:
            return self._writer.write(records, refusals)
        except LedgerError:
            raise
        except Exception:
            if not records:
                raise
            if len(records) == 1:
                self.log.failure("the request {id} is not in the ledger", id=records[0].id)
                return self._writer.write((), refusals)
            middle = len(records) // 2
            first = self.write(records[:middle], refusals)
            return first + self.write(records[middle:], {})

    def write_payloads(self, payloads: Sequence[RawPayloads], redactor: PayloadRedactor) -> int:
        """Write payloads without secrets; return about how many bytes they take.

        Those that cannot be stored are left out.
        """
        try:
            return self._writer.write_payloads(payloads, redactor)
        except LedgerError:
            raise
        except Exception:  # noqa: BLE001 - a fault here must not cost the others
            if len(payloads) == 1:
                request_id = payloads[0].request_id
                self.log.failure("the payloads of {id} are not in the ledger", id=request_id)
                return 0
            return sum(self.write_payloads([each], redactor) for each in payloads)

    def keep_bounds(self, bounds: Bounds, now: float) -> bool:
        """Delete a little of what is too much; return whether there is more."""
        return self._retention.step(bounds, now)

    def open(self) -> None:
        """Create the database, if there is none."""
        self._writer.open()

    def close(self) -> None:
        """Close the database."""
        self._writer.close()
