"""Sums of rows by hour; days and months are added up from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from antigravity.ledger.rows import RequestRow

#: Microseconds.
HOUR: Final = 3600 * 1_000_000
#: The columns of a row that are added up as they are.
_ADDED: Final = (
    "attempts",
    "duration",
    "overhead",
    "input",
    "cached",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "searches",
)

#: hour, model, upstream, account, key, client, outcome
SumKey = tuple[int, str, str, str, str, str, str]


class HourSum(Struct):
    """The sum of the requests of one hour that have the first fields in common.

    ``hour`` is in hours since the epoch, of the start of the requests.  ``model`` is the served
    model, or the requested one where none was served.  ``unpriced`` counts the requests with
    tokens whose price is unknown.  ``first_bytes`` counts the requests that ``first_byte`` adds
    up.  Durations are in microseconds, costs in nanodollars.
    """

    hour: int
    model: str
    upstream: str
    account: str
    key: str
    client: str
    outcome: str
    requests: int = 0
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
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(row, name))
        if row.first_byte is not None:
            self.first_byte += row.first_byte
            self.first_bytes += 1
        if row.cost is not None:
            self.cost += row.cost
            self.list_cost += row.cost if row.list_cost is None else row.list_cost
        elif row.input or row.cached or row.output or row.reasoning:
            self.unpriced += 1


#: The names of the columns that identify a sum, and of those that are added up.
KEY_COLUMNS: Final = msgspec.structs.fields(HourSum)[:7]
VALUE_COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(HourSum)[7:])


def sums_of(rows: Iterable[RequestRow]) -> list[HourSum]:
    """Return the sums of some rows."""
    sums: dict[SumKey, HourSum] = {}
    for row in rows:
        key: SumKey = (
            row.started // HOUR,
            row.served_model or row.model,
            row.upstream,
            row.account,
            row.key,
            row.client,
            row.outcome,
        )
        found = sums.get(key)
        if found is None:
            found = sums[key] = HourSum(*key)
        found.add(row)
    return list(sums.values())
