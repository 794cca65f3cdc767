"""Keeps the ledger within its bounds, in small steps between which rows are written."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ledger.block_builder import BlockBuilder
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.database import Connection, Database
from antigravity.ledger.rows import number_at
from antigravity.ledger.writer import Writer

#: The most rows that one step deletes.
_ROWS: Final = 1000
#: The most payloads that one step deletes.
_PAYLOADS: Final = 200
_DAY: Final = 86_400
#: Larger than the number of any row, also of one from a clock that was ahead.
_ANY: Final = 2**63 - 1
#: Sums are kept by hour for so many days, then by day for so many days.
HOURS_DAYS: Final = 400
DAYS_DAYS: Final = 5 * 366


class Retention:
    """Deletes what is too old or too much.  Call it in the writer's thread."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._queries = database.load_queries("retention", "payloads")
        self._blocks = BlockBuilder(database)

    def step(self, bounds: Bounds, now: float) -> bool:
        """Delete a little; return whether there is more to delete now.

        :param now: seconds since the epoch.
        :raises LedgerError: if the ledger cannot be used.
        """
        with self._writer.transaction() as connection:
            if not self._database.may_delete(connection):
                return False
            more = self._delete_payloads(connection, bounds, now)
            more = self._delete_rows(connection, bounds, now) or more
            more = self._blocks.step(connection, now) or more
            more = self._merge_hours(connection, int(now)) or more
        self._writer.read_block_ends()
        with self._writer.opened() as connection:
            self._database.reclaim(connection)
        return more

    def _delete_payloads(self, connection: Connection, bounds: Bounds, now: float) -> bool:
        oldest, stored = self._queries.stored_payloads(connection)
        if oldest is None:
            return False
        age, most = bounds.payload_max_age, bounds.payload_max_bytes
        before = number_at(int((now - age) * 1_000_000)) if age else 0
        if most and stored > most:
            for number, size in self._queries.sizes_of_oldest_payloads(connection, limit=_PAYLOADS):
                before = max(before, number + 1)
                stored -= size
                if stored <= most:
                    break
        if oldest >= before:
            return False
        deleted: int = self._queries.delete_payloads(connection, before=before, limit=_PAYLOADS)
        return deleted == _PAYLOADS

    def _delete_rows(self, connection: Connection, bounds: Bounds, now: float) -> bool:
        before = number_at(int((now - bounds.max_age) * 1_000_000)) if bounds.max_age else 0
        oldest = self._queries.oldest_row(connection)
        if oldest is None:
            return False
        used = self._database.used_bytes(connection)
        if bounds.max_bytes and used > bounds.max_bytes:
            before = _ANY
        if oldest >= before:
            return False
        limits = {"before": before, "limit": _ROWS}
        self._queries.delete_attempts(connection, **limits)
        deleted: int = self._queries.delete_requests(connection, **limits)
        self._database.note_deletion(deleted)
        return deleted == _ROWS

    def _merge_hours(self, connection: Connection, now: int) -> bool:
        queries: Any = self._queries
        today = now // _DAY
        queries.delete_hours(connection, before=(today - DAYS_DAYS) * 24)
        queries.delete_names_by_hour(connection, before=(today - DAYS_DAYS) * 24)
        self._blocks.delete(connection, (today - DAYS_DAYS) * 24)
        queries.delete_refusals(connection, before=(today - HOURS_DAYS) * 24)
        queries.delete_names(connection, before=(today - HOURS_DAYS) * 24)
        hour = queries.oldest_unmerged_hour(connection, before=(today - HOURS_DAYS) * 24)
        if hour is None:
            return False
        day = hour // 24 * 24
        queries.merge_hours(connection, day=day)
        queries.delete_merged_hours(connection, day=day)
        queries.merge_names(connection, day=day)
        queries.delete_merged_names(connection, day=day)
        return True
