"""The SQL of lists and sums.  Pure: nothing here touches a database.

All values are passed as parameters; only names in this module become part of the SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.interfaces.ledger import WINDOW, RequestQuestion
from antigravity.ir.call import READS
from antigravity.ledger.blocks import Part, split_span
from antigravity.ledger.rows import number_at
from antigravity.ledger.sums import ALL, HOUR, VALUE_COLUMNS

#: The columns of a list; the others are read for one row.
LIST_COLUMNS: Final = (
    *("number", "id", "started", "protocol", "operation", "stream", "client", "key", "session"),
    *("model", "served_model", "upstream", "account", "outcome", "status", "error_kind", "error"),
    *("attempts", "first_byte", "duration", "overhead", "input", "cached", "cache_write"),
    *("cache_write_1h", "output", "reasoning", "cost", "list_cost", "compressed", "intercepted"),
)
#: What a row of ``requests`` adds to the columns of sums that are not columns of its own.
OF_ROW: Final = {
    "hour": f"started / {HOUR}",
    "model": "coalesce(nullif(served_model, ''), model)",
    "requests": "1",
    "errors": "CASE WHEN outcome = 'error' THEN 1 ELSE 0 END",
    "cancelled": "CASE WHEN outcome = 'cancelled' THEN 1 ELSE 0 END",
    "first_byte": "coalesce(first_byte, 0)",
    "first_bytes": "CASE WHEN first_byte IS NULL THEN 0 ELSE 1 END",
    "cost": "coalesce(cost, 0)",
    "list_cost": "coalesce(list_cost, cost, 0)",
    "unpriced": (
        "CASE WHEN cost IS NULL AND input + cached + output + reasoning > 0 THEN 1 ELSE 0 END"
    ),
}
#: The filters of a list that the database has an index for.
_INDEXED: Final = {
    "model": f"{OF_ROW['model']} = :model",
    "account": "account = :account",
    "client_key": "key = :client_key",
    "client": "client = :client",
    "session": "session = :session",
}
_TOKENS: Final = "input + cached + cache_write + cache_write_1h + output + reasoning"
#: What lists are sorted by; what is not known comes last.
_ORDERS: Final = {
    "time": "number DESC",
    "duration": "duration DESC, number DESC",
    "first_byte": "coalesce(first_byte, -1) DESC, number DESC",
    "tokens": f"{_TOKENS} DESC, number DESC",
    "cost": "coalesce(cost, -1) DESC, number DESC",
}
#: Rows are looked for in this time after the end of an hour in which they began.
_LONGEST: Final = 2 * HOUR


class Query(Struct, frozen=True):
    """Some SQL and its parameters."""

    sql: str
    parameters: dict[str, Any]


class Span(Struct, frozen=True):
    """A time range: an exact one, from ``rows_since``, before full hours, if that is not None.

    ``since`` and ``until`` are hours since the epoch, ``rows_since`` is in microseconds.
    """

    since: int
    until: int
    rows_since: int | None = None


def list_requests(question: RequestQuestion, floor: int | None = None) -> Query:
    """Return the query of one page of requests, and of one row more.

    :param floor: the lowest number to look at.
    """
    conditions = [*_bounds(question), *_filters(question)]
    parameters = {**_parameters(question), "limit": question.limit + 1}
    if floor is not None:
        conditions.append("number >= :floor")
        parameters["floor"] = floor
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    # The rows are long, so that only the numbers of those that may be shown are sorted.
    sorted_numbers = (
        f"SELECT number FROM requests{where} ORDER BY {_ORDERS[question.sort]} LIMIT :limit"  # noqa: S608 - names of this module
    )
    if question.sort != "time":
        where = f" WHERE number IN ({sorted_numbers})"
    return Query(
        f"SELECT {', '.join(LIST_COLUMNS)} FROM requests{where}"  # noqa: S608 - names of this module
        f" ORDER BY {_ORDERS[question.sort]} LIMIT :limit",
        parameters,
    )


def export_requests(question: RequestQuestion) -> Query:
    """Return the query of all columns of the next requests, oldest first."""
    conditions = [*_bounds(question), *_filters(question)]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Query(
        f"SELECT * FROM requests{where} ORDER BY number LIMIT :limit",  # noqa: S608 - names of this module
        _parameters(question),
    )


def find_floor(question: RequestQuestion) -> Query | None:
    """Return the query of the number of the row after :data:`WINDOW` rows.

    ``None`` if a page needs no such bound, because it has no filter, or one that has an index.  One
    that is sorted needs it in any case, of the rows that such an index finds.
    """
    filters = _filters(question)
    is_indexed = len(filters) == 1 and filters[0] in _INDEXED.values()
    is_sorted = question.sort != "time"
    if not is_sorted and (not filters or is_indexed):
        return None
    bounds = [*_bounds(question), *(filters if is_sorted and is_indexed else ())]
    where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
    return Query(
        f"SELECT number FROM requests{where} ORDER BY number DESC LIMIT 1 OFFSET {WINDOW}",  # noqa: S608
        _parameters(question),
    )


def _bounds(question: RequestQuestion) -> list[str]:
    bounds = {
        "since": "number >= :since",
        "until": "number < :until",
        "before": "number < :before",
        "after": "number > :after",
    }
    return [sql for name, sql in bounds.items() if getattr(question, name) is not None]


def _filters(question: RequestQuestion) -> list[str]:
    filters = {
        **_INDEXED,
        "requested_model": "model = :requested_model",
        "upstream": "upstream = :upstream",
        "outcome": "outcome = :outcome",
    }
    found = [sql for name, sql in filters.items() if getattr(question, name) is not None]
    if question.text:
        found.append("lower(error) LIKE lower(:text) ESCAPE '\\'")
    return found


def _parameters(question: RequestQuestion) -> dict[str, Any]:
    fields = msgspec.structs.asdict(question)
    del fields["sort"]
    parameters = {name: value for name, value in fields.items() if value is not None}
    for name in ("since", "until"):
        if name in parameters:
            parameters[name] = number_at(int(parameters[name] * 1_000_000))
    if question.text:
        pattern = question.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        parameters["text"] = f"%{pattern}%"
    return parameters


def add_up(
    span: Span,
    groups: Sequence[str],
    filters: Mapping[str, str],
    *,
    limit: int,
    ends: Mapping[int, int] | None = None,
) -> Query:
    """Return the query of the sums in ``span``, those with most requests first.

    :param groups: names in ``NAME_COLUMNS``, as the keys of ``filters``, or ``hour``.
    :param ends: for each size of blocks, the hour before which all of them are there.
    """
    parameters: dict[str, Any] = dict(filters)
    whole = [Part(1, span.since, span.until)]
    parts = whole if "hour" in groups else split_span(span.since, span.until, ends or {}) or whole
    sources = []
    for number, part in enumerate(parts):
        sources.append(_full_hours(groups, filters, number, part.size))
        parameters[f"since_{number}"], parameters[f"until_{number}"] = part.since, part.until
    source = " UNION ALL ".join(sources)
    if span.rows_since is not None:
        parameters["rows_since"] = span.rows_since
        parameters["rows_until"] = span.since * HOUR
        parameters["first"] = number_at(span.rows_since)
        parameters["last"] = number_at(span.since * HOUR + _LONGEST)
        source = f"{source} UNION ALL {_single_rows(groups, filters)}"
    columns = [*groups, *(f"sum({name}) AS {name}" for name in VALUE_COLUMNS)]
    sql = f"SELECT {', '.join(columns)} FROM ({source}) AS found"  # noqa: S608 - names of this module
    if groups:
        sql += f" GROUP BY {', '.join(groups)} ORDER BY sum(requests) DESC, {', '.join(groups)}"
        sql += " LIMIT :limit"
        parameters["limit"] = limit
    return Query(sql, parameters)


def _full_hours(groups: Sequence[str], filters: Mapping[str, str], number: int, size: int) -> str:
    """Return the rows of the smallest table that has the names, for a part of the time range."""
    names = {*groups, *filters} - {"hour"}
    if len(names) > 1:
        table, conditions = "hours", [f"{name} = :{name}" for name in filters]
        blocks = "blocks"
        columns = list(groups)
    else:
        kind = next(iter(names), ALL)
        table, conditions = "names_by_hour", [f"kind = '{kind}'"]
        blocks = "names_by_block"
        conditions += [f"name = :{name}" for name in filters]
        columns = [name if name == "hour" else f"name AS {name}" for name in groups]
    if size > 1:
        table = blocks
        conditions.insert(0, f"size = {size}")
    conditions += [f"hour >= :since_{number}", f"hour < :until_{number}"]
    return (
        f"SELECT {', '.join((*columns, *VALUE_COLUMNS))} FROM {table}"  # noqa: S608 - names of this module
        f" WHERE {' AND '.join(conditions)}"
    )


def _single_rows(groups: Sequence[str], filters: Mapping[str, str]) -> str:
    values = (f"{OF_ROW.get(name, name)} AS {name}" for name in (*groups, *VALUE_COLUMNS))
    conditions = [
        "number >= :first AND number < :last",
        "started >= :rows_since AND started < :rows_until",
        f"operation NOT IN ({', '.join(map(repr, READS))})",
        *(f"{OF_ROW.get(name, name)} = :{name}" for name in filters),
    ]
    return f"SELECT {', '.join(values)} FROM requests WHERE {' AND '.join(conditions)}"  # noqa: S608
