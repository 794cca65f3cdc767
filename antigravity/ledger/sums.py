"""Sums of rows by hour; days and months are added up from them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import itemgetter
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from antigravity.ir.call import READS
from antigravity.ledger.rows import RequestRow

K = TypeVar("K", bound=Hashable)

#: Microseconds.
HOUR: Final = 3600 * 1_000_000
#: The columns of a row that requests are added up by; of a model it is the served one, or the
#: requested one where none was served.
NAME_COLUMNS: Final = ("model", "upstream", "account", "key", "client")
#: The kind of the sums of all requests of an hour; their name is empty.
ALL: Final = "all"


class Totals(Struct):
    """Requests added up.

    ``unpriced`` counts the requests with tokens whose price is unknown.  ``first_bytes`` counts
    the requests that ``first_byte`` adds up.  Durations are in microseconds, costs in nanodollars.
    """

    requests: int = 0
    errors: int = 0
    cancelled: int = 0
    attempts: int = 0
    duration: int = 0
    overhead: int = 0
    first_byte: int = 0
    first_bytes: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    searches: int = 0
    cost: int = 0
    list_cost: int = 0
    unpriced: int = 0

    def add(self, row: RequestRow) -> None:
        """Add a row."""
        self.requests += 1
        self.attempts += row.attempts
        self.duration += row.duration
        self.overhead += row.overhead
        self.input += row.input
        self.cached += row.cached
        self.cache_write += row.cache_write
        self.cache_write_1h += row.cache_write_1h
        self.output += row.output
        self.reasoning += row.reasoning
        self.searches += row.searches
        if row.outcome == "error":
            self.errors += 1
        elif row.outcome == "cancelled":
            self.cancelled += 1
        if row.first_byte is not None:
            self.first_byte += row.first_byte
            self.first_bytes += 1
        if row.cost is not None:
            self.cost += row.cost
            self.list_cost += row.cost if row.list_cost is None else row.list_cost
        elif row.input or row.cached or row.output or row.reasoning:
            self.unpriced += 1

    def merge(self, other: Totals) -> None:
        """Add what others add up to."""
        for name in VALUE_COLUMNS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


#: The names of the columns that are added up.
VALUE_COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(Totals))


class HourSums:
    """The sums of rows by hour: by all their names together, and by each kind of name alone.

    The latter are few, so that most questions are answered from few rows.  They are made from the
    former, because many rows have the same names.  Rows are sorted, so that gateways with one
    database lock them in the same order.
    """

    def __init__(self) -> None:
        self._combined: dict[tuple[int, str, str, str, str, str], Totals] = {}

    def add(self, row: RequestRow) -> None:
        """Add a row, unless its request has asked no model for anything."""
        if row.operation in READS:
            return
        hour = row.started // HOUR
        names = (row.served_model or row.model, row.upstream, row.account, row.key, row.client)
        _totals(self._combined, (hour, *names)).add(row)

    def combined(self) -> list[dict[str, Any]]:
        """Return the rows of the table ``hours``."""
        columns = ("hour", *NAME_COLUMNS)
        return [
            _columns(columns, key, totals)
            for key, totals in sorted(self._combined.items(), key=_key)
        ]

    def single(self) -> list[dict[str, Any]]:
        """Return the rows of the table ``names_by_hour``."""
        single: dict[tuple[str, int, str], Totals] = {}
        for (hour, *names), totals in self._combined.items():
            _totals(single, (ALL, hour, "")).merge(totals)
            for kind, name in zip(NAME_COLUMNS, names, strict=True):
                _totals(single, (kind, hour, name)).merge(totals)
        columns = ("kind", "hour", "name")
        return [_columns(columns, key, totals) for key, totals in sorted(single.items(), key=_key)]


#: Sorts by key.
_key = itemgetter(0)


def _totals(sums: dict[K, Totals], key: K) -> Totals:
    found = sums.get(key)
    if found is None:
        found = sums[key] = Totals()
    return found


def _columns(names: Sequence[str], key: Sequence[object], totals: Totals) -> dict[str, Any]:
    return {**dict(zip(names, key, strict=True)), **msgspec.structs.asdict(totals)}
