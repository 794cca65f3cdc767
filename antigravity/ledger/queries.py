"""What can be asked of the ledger, and the SQL for it.  Pure: nothing here touches a database.

All values are passed as parameters; only the names in this module become part of the SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from antigravity.ledger.rows import number_at
from antigravity.ledger.sums import VALUE_COLUMNS

#: The most rows of one page.
PAGE_LIMIT: Final = 500

Field = Literal["model", "served_model", "upstream", "account", "key", "client", "session"]
#: What sums can be grouped by, besides time.
Group = Literal["model", "upstream", "account", "key", "client", "outcome"]

#: The columns of a list; the others are read for one row.
LIST_COLUMNS: Final = (
    *("number", "id", "started", "protocol", "operation", "stream", "client", "key", "session"),
    *("model", "served_model", "upstream", "account", "outcome", "status", "error_kind", "error"),
    *("attempts", "first_byte", "duration", "overhead", "input", "cached", "cache_write"),
    *("cache_write_1h", "output", "reasoning", "cost", "list_cost", "compressed", "intercepted"),
)


class Query(Struct, frozen=True):
    """Some SQL and its parameters."""

    sql: str
    parameters: dict[str, Any]


class RequestFilter(Struct, frozen=True, kw_only=True):
    """Which requests to list, newest first.

    ``since`` and ``until`` are in seconds since the epoch, of the end of a request.  ``model`` is
    the requested or the served one.  ``text`` is looked for in error messages, without regard to
    case.  ``before`` is the number of the last row of the page before, and ``after`` the number
    of the newest row that is known already.
    """

    since: float | None = None
    until: float | None = None
    model: str | None = None
    upstream: str | None = None
    account: str | None = None
    key: str | None = None
    client: str | None = None
    session: str | None = None
    outcome: str | None = None
    failed: bool = False
    text: str | None = None
    before: int | None = None
    after: int | None = None
    limit: int = 50


def list_requests(wanted: RequestFilter) -> Query:
    """Return the query of one page of requests."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": max(1, min(wanted.limit, PAGE_LIMIT))}

    def demand(condition: str, **values: Any) -> None:
        conditions.append(condition)
        parameters.update(values)

    if wanted.since is not None:
        demand("number >= :since", since=number_at(int(wanted.since * 1_000_000)))
    if wanted.until is not None:
        demand("number < :until", until=number_at(int(wanted.until * 1_000_000)))
    if wanted.before is not None:
        demand("number < :before", before=wanted.before)
    if wanted.after is not None:
        demand("number > :after", after=wanted.after)
    if wanted.model is not None:
        demand("(served_model = :model OR model = :model)", model=wanted.model)
    for name in ("upstream", "account", "key", "client", "session", "outcome"):
        value = getattr(wanted, name)
        if value is not None:
            demand(f"{name} = :{name}", **{name: value})
    if wanted.failed:
        demand("outcome = 'error'")
    if wanted.text:
        pattern = wanted.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        demand("lower(error) LIKE lower(:text) ESCAPE '\\'", text=f"%{pattern}%")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Query(
        f"SELECT {', '.join(LIST_COLUMNS)} FROM requests{where}"  # noqa: S608 - names of this module
        " ORDER BY number DESC LIMIT :limit",
        parameters,
    )


def sum_hours(
    since: int, until: int, groups: Sequence[Group], filters: dict[Group, str], *, limit: int
) -> Query:
    """Return the query of the sums of some hours, those with most requests first.

    :param since: the first hour since the epoch, and ``until`` the first one that does not count.
    """
    columns = [*groups, *(f"sum({name}) AS {name}" for name in VALUE_COLUMNS)]
    conditions = ["hour >= :since", "hour < :until", *(f"{name} = :{name}" for name in filters)]
    sql = f"SELECT {', '.join(columns)} FROM hours WHERE {' AND '.join(conditions)}"  # noqa: S608
    parameters: dict[str, Any] = {"since": since, "until": until}
    for name, value in filters.items():
        parameters[name] = value
    if groups:
        sql += f" GROUP BY {', '.join(groups)} ORDER BY sum(requests) DESC LIMIT :limit"
        parameters["limit"] = limit
    return Query(sql, parameters)
