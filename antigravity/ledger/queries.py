"""The SQL of lists and sums.  Pure: nothing here touches a database.

All values are passed as parameters; only names in this module become part of the SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from antigravity.interfaces.ledger import RequestQuestion
from antigravity.ledger.rows import number_at
from antigravity.ledger.sums import HOUR, VALUE_COLUMNS

#: The columns of a list; the others are read for one row.
LIST_COLUMNS: Final = (
    *("number", "id", "started", "protocol", "operation", "stream", "client", "key", "session"),
    *("model", "served_model", "upstream", "account", "outcome", "status", "error_kind", "error"),
    *("attempts", "first_byte", "duration", "overhead", "input", "cached", "cache_write"),
    *("cache_write_1h", "output", "reasoning", "cost", "list_cost", "compressed", "intercepted"),
)
#: What a row of ``requests`` adds to the columns of ``hours`` that are not columns of its own.
_OF_ROW: Final = {
    "hour": f"started / {HOUR}",
    "model": "coalesce(nullif(served_model, ''), model)",
    "requests": "1",
    "first_byte": "coalesce(first_byte, 0)",
    "first_bytes": "CASE WHEN first_byte IS NULL THEN 0 ELSE 1 END",
    "cost": "coalesce(cost, 0)",
    "list_cost": "coalesce(list_cost, cost, 0)",
    "unpriced": (
        "CASE WHEN cost IS NULL AND input + cached + output + reasoning > 0 THEN 1 ELSE 0 END"
    ),
}
#: The columns of ``hours`` that rows can be grouped and filtered by.
NAME_COLUMNS: Final = ("model", "upstream", "account", "key", "client", "outcome")
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


def list_requests(question: RequestQuestion) -> Query:
    """Return the query of one page of requests, and of one row more."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": question.limit + 1}

    def demand(condition: str, **values: Any) -> None:
        conditions.append(condition)
        parameters.update(values)

    if question.since is not None:
        demand("number >= :since", since=number_at(int(question.since * 1_000_000)))
    if question.until is not None:
        demand("number < :until", until=number_at(int(question.until * 1_000_000)))
    if question.before is not None:
        demand("number < :before", before=question.before)
    if question.after is not None:
        demand("number > :after", after=question.after)
    if question.model is not None:
        demand("(served_model = :model OR model = :model)", model=question.model)
    if question.client_key is not None:
        demand("key = :client_key", client_key=question.client_key)
    for name in ("upstream", "account", "client", "session", "outcome"):
        value = getattr(question, name)
        if value is not None:
            demand(f"{name} = :{name}", **{name: value})
    if question.text:
        pattern = question.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        demand("lower(error) LIKE lower(:text) ESCAPE '\\'", text=f"%{pattern}%")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Query(
        f"SELECT {', '.join(LIST_COLUMNS)} FROM requests{where}"  # noqa: S608 - names of this module
        " ORDER BY number DESC LIMIT :limit",
        parameters,
    )


def add_up(span: Span, groups: Sequence[str], filters: Mapping[str, str], *, limit: int) -> Query:
    """Return the query of the sums in ``span``, those with most requests first.

    :param groups: names in :data:`NAME_COLUMNS`, as the keys of ``filters``, or ``hour``.
    """
    parameters: dict[str, Any] = {"since": span.since, "until": span.until, **filters}
    names = tuple(dict.fromkeys((*groups, "outcome")))
    source = _full_hours(names, filters)
    if span.rows_since is not None:
        parameters["rows_since"] = span.rows_since
        parameters["rows_until"] = span.since * HOUR
        parameters["first"] = number_at(span.rows_since)
        parameters["last"] = number_at(span.since * HOUR + _LONGEST)
        source = f"{source} UNION ALL {_single_rows(names, filters)}"
    columns = [
        *groups,
        *(f"sum({name}) AS {name}" for name in VALUE_COLUMNS),
        "sum(CASE WHEN outcome = 'error' THEN requests ELSE 0 END) AS errors",
        "sum(CASE WHEN outcome = 'cancelled' THEN requests ELSE 0 END) AS cancelled",
    ]
    sql = f"SELECT {', '.join(columns)} FROM ({source}) AS found"  # noqa: S608 - names of this module
    if groups:
        sql += f" GROUP BY {', '.join(groups)} ORDER BY sum(requests) DESC, {', '.join(groups)}"
        sql += " LIMIT :limit"
        parameters["limit"] = limit
    return Query(sql, parameters)


def _full_hours(names: Sequence[str], filters: Mapping[str, str]) -> str:
    conditions = ["hour >= :since", "hour < :until", *(f"{name} = :{name}" for name in filters)]
    sums = (f"sum({name}) AS {name}" for name in VALUE_COLUMNS)
    return (
        f"SELECT {', '.join((*names, *sums))} FROM hours"  # noqa: S608 - names of this module
        f" WHERE {' AND '.join(conditions)} GROUP BY {', '.join(names)}"
    )


def _single_rows(names: Sequence[str], filters: Mapping[str, str]) -> str:
    values = (f"{_OF_ROW.get(name, name)} AS {name}" for name in (*names, *VALUE_COLUMNS))
    conditions = [
        "number >= :first AND number < :last",
        "started >= :rows_since AND started < :rows_until",
        *(f"{_OF_ROW.get(name, name)} = :{name}" for name in filters),
    ]
    return f"SELECT {', '.join(values)} FROM requests WHERE {' AND '.join(conditions)}"  # noqa: S608
