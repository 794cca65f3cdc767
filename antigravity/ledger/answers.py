"""The answers of the ledger, made from rows of its database."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from antigravity.interfaces.ledger import (
    AttemptDetail,
    RequestDetail,
    RequestPage,
    RequestQuestion,
    RequestSummary,
    Sums,
    Tokens,
    UsageQuestion,
    UsageReport,
    UsageRow,
)
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.ledger.periods import Unit, hour_name, hour_of, periods
from antigravity.ledger.queries import Span
from antigravity.ledger.reader import Reader, reference_of
from antigravity.ledger.sums import HOUR, NAME_COLUMNS

Row = Mapping[str, Any]

_UNITS: Final[tuple[Unit, ...]] = ("hour", "day", "month")
#: Seconds of the time range of a question without a beginning.
_DEFAULT_RANGE: Final = 24 * 3600.0
_TOKENS: Final = ("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning")
_FILTERS: Final = ("model", "upstream", "account", "client")
#: The names that differ between the database and the answers.
_COLUMN: Final = {"client_key": "key"}
_ANSWER: Final = {"key": "client_key"}


def answer_requests(reader: Reader, question: RequestQuestion) -> RequestPage:
    """Return a page of requests."""
    rows, floor = reader.requests(question)
    page = rows[: question.limit]
    if question.sort != "time":
        found = [summary(row) for row in page]
        return RequestPage(found, None if floor is None else str(floor), None)
    after = page[-1]["number"] if len(rows) > len(page) else floor
    newest = page[0]["number"] if page else question.after
    return RequestPage(
        [summary(row) for row in page],
        None if after is None else str(after),
        None if newest is None else str(newest),
    )


def answer_request(reader: Reader, reference: str) -> RequestDetail:
    """Return one request.

    :param reference: see :meth:`Reader.request`.
    :raises NotFoundError: if there is none.
    """
    row = reader.request(reference)
    if row is None:
        raise NotFoundError(f"The ledger has no request {reference!r}.")
    return detail(row, [reference_of(each) for each in reader.others_with_id(row)])


def detail(row: Row, same_id: Sequence[str] = ()) -> RequestDetail:
    """Return a row of ``requests`` with its ``attempts`` as an answer."""
    attempts = [_attempt(each) for each in row["attempts"]]
    return RequestDetail(
        summary({**row, "attempts": len(attempts)}),
        (row["route"] or "").splitlines(),
        (row["warnings"] or "").splitlines(),
        _seconds(row["queue"]),
        row["price_version"],
        attempts,
        list(same_id),
    )


def answer_usage(reader: Reader, question: UsageQuestion, now: float | None = None) -> UsageReport:
    """Return sums.

    :raises InvalidRequestError: if the groups or the time zone are unknown.
    """
    groups, unit = _groups(question.by)
    now = time.time() if now is None else now
    until = now if question.until is None else question.until
    since = until - _DEFAULT_RANGE if question.since is None else question.since
    filters = {name: value for name in _FILTERS if (value := getattr(question, name)) is not None}
    if question.client_key is not None:
        filters["key"] = question.client_key
    span = _span(reader, since, until)
    (total,) = reader.add_up(span, (), filters)
    rows: list[UsageRow] = []
    zone = _zone(question.zone)
    if unit == "hour":
        found = reader.add_up(span, ["hour", *groups], filters)
        found.sort(key=lambda row: -row["hour"])
        rows = [_usage_row(row, groups, hour_name(row["hour"], zone)) for row in found]
    elif unit is not None:
        for period in periods(unit, since, until, zone):
            part = Span(max(period.since, span.since), min(period.until, span.until))
            if span.rows_since is not None and period.since < span.since <= period.until:
                part = Span(part.since, part.until, span.rows_since)
            rows += [
                _usage_row(row, groups, period.name)
                for row in reader.add_up(part, groups, filters)
                if row["requests"]
            ]
    elif groups:
        rows = [_usage_row(row, groups) for row in reader.add_up(span, groups, filters)]
    return UsageReport(
        _iso(since),
        _iso(until),
        sums(total),
        rows,
        reader.refusals(hour_of(since), hour_of(until) + 1),
    )


def summary(row: Row) -> RequestSummary:
    """Return a row of ``requests`` as an answer."""
    error = ": ".join(each for each in (row["error_kind"], row["error"]) if each)
    return RequestSummary(
        id=row["id"],
        time=_iso(row["started"] / 1_000_000),
        protocol=row["protocol"],
        operation=row["operation"],
        stream=bool(row["stream"]),
        model=row["model"],
        served_model=row["served_model"],
        upstream=row["upstream"],
        account=row["account"],
        client=row["client"],
        client_key=row["key"],
        session=row["session"],
        outcome=row["outcome"],
        status=row["status"],
        error=error or None,
        attempts=row["attempts"],
        duration=_seconds(row["duration"]),
        first_byte=None if row["first_byte"] is None else _seconds(row["first_byte"]),
        overhead=_seconds(row["overhead"]),
        tokens=_tokens(row),
        cost=_dollars(row["cost"]),
        list_cost=_dollars(row["list_cost"]),
        compressed=row["compressed"],
        intercepted=row["intercepted"],
        reference=reference_of(row),
    )


def sums(row: Row) -> Sums:
    """Return added up rows as an answer."""
    requests = row["requests"] or 0
    return Sums(
        requests=requests,
        errors=row["errors"] or 0,
        cancelled=row["cancelled"] or 0,
        tokens=_tokens(row),
        cost=_dollars(row["cost"]) or 0.0,
        list_cost=_dollars(row["list_cost"]) or 0.0,
        unpriced=row["unpriced"] or 0,
        attempts=row["attempts"] or 0,
        searches=row["searches"] or 0,
        duration=_mean(row["duration"], requests),
        first_byte=_mean(row["first_byte"], row["first_bytes"]),
        overhead=_mean(row["overhead"], requests),
    )


def _usage_row(row: Row, groups: Sequence[str], period: str | None = None) -> UsageRow:
    names = {_ANSWER.get(name, name): row[name] for name in groups}
    return UsageRow(sums(row), period=period, **names)


def _groups(by: str) -> tuple[list[str], Unit | None]:
    """Return the columns and the unit of time that a question groups by."""
    wanted = list(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    units = [unit for unit in _UNITS if unit in wanted]
    columns = [_COLUMN.get(name, name) for name in wanted if name not in _UNITS]
    known = [_ANSWER.get(name, name) for name in NAME_COLUMNS]
    if unknown := [name for name in wanted if name not in (*known, *_UNITS)]:
        raise InvalidRequestError(
            f"Requests can be grouped by {', '.join((*known, *_UNITS))}, not by {unknown[0]!r}.",
            param="by",
        )
    if len(units) > 1:
        raise InvalidRequestError(f"Group by one of {', '.join(_UNITS)}.", param="by")
    return columns, units[0] if units else None


def _span(reader: Reader, since: float, until: float) -> Span:
    """Return the full hours of a time range, and its beginning if all its rows are there."""
    first, last = -int(-since // 3600), hour_of(until) + 1
    if first * 3600 == since:
        return Span(first, last)
    (rows,) = reader.add_up(Span(first, first, (first - 1) * HOUR))
    (sums_of_hour,) = reader.add_up(Span(first - 1, first))
    if (rows["requests"] or 0) < (sums_of_hour["requests"] or 0):
        return Span(first - 1, last)  # rows of this hour were deleted
    return Span(first, last, int(since * 1_000_000))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise InvalidRequestError(f"There is no time zone {name!r}.", param="zone") from None


def _attempt(row: Row) -> AttemptDetail:
    return AttemptDetail(
        row["upstream"],
        row["model"],
        row["account"],
        row["protocol"],
        bool(row["passed_through"]),
        row["status"],
        row["error"],
        _seconds(row["started"]),
        None if row["ended"] is None else _seconds(row["ended"]),
    )


def _tokens(row: Row) -> Tokens:
    counts = {name: int(row[name] or 0) for name in _TOKENS}
    return Tokens(sum(counts.values()), **counts)


def _seconds(microseconds: int) -> float:
    return microseconds / 1_000_000


def _mean(microseconds: int | None, number: int | None) -> float | None:
    return round((microseconds or 0) / number / 1_000_000, 6) if number else None


def _dollars(nanodollars: int | None) -> float | None:
    return None if nanodollars is None else nanodollars / 1_000_000_000


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
