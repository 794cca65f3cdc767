"""Tokens and costs by time, model, account, key, client and upstream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from antigravity.daemon.time_zone import zone_name
from antigravity.dashboard.address import RANGES, Address, export_address, request_list
from antigravity.dashboard.context import Page, PageContext
from antigravity.interfaces.ledger import Sums, UsageQuestion, UsageReport, UsageRow
from antigravity.interfaces.refusals import describe_refusal

_GROUPS: Final = ("model", "account", "upstream", "client", "client_key")
#: The periods of each time range, the default first: a chart has a few hundred points at most.
_UNITS: Final = {
    "1h": ("hour",),
    "24h": ("hour", "day"),
    "7d": ("day", "hour"),
    "30d": ("day", "month"),
    "365d": ("month", "day"),
}
#: The shortest range with a map of hours and weekdays, and the most that it shows, in seconds.
_HEAT_FROM: Final = RANGES["7d"]
_HEAT_TO: Final = RANGES["30d"]
_LEVELS: Final = 8
#: Groups with a colour of their own; the others are one.
_COLOURS: Final = 7

Measure = Literal["tokens", "cost", "requests"]


class UsageFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of the page; an empty ``unit`` stands for the one that fits the range."""

    since: Literal["1h", "24h", "7d", "30d", "365d"] = "24h"
    unit: Literal["", "hour", "day", "month"] = ""
    by: Literal["model", "account", "upstream", "client", "client_key"] = "model"
    measure: Measure = "tokens"
    zone: str = ""
    model: str = ""
    account: str = ""
    upstream: str = ""
    client: str = ""
    client_key: str = ""

    def question(self, now: float, by: str) -> UsageQuestion:
        """Return the question to the ledger."""
        return UsageQuestion(
            since=now - RANGES[self.since],
            by=by,
            zone=self.zone or zone_name(),
            model=self.model or None,
            account=self.account or None,
            upstream=self.upstream or None,
            client=self.client or None,
            client_key=self.client_key or None,
        )


class HeatCell(Struct, frozen=True):
    """An hour of a weekday: its value, and its share of the largest one from 0 to 8."""

    value: float
    level: int


class Series(Struct, frozen=True):
    """The values of one group in each period."""

    name: str
    values: list[float]


async def build(context: PageContext) -> Page:
    """Return the page."""
    filters = context.read(UsageFilters)
    units = _UNITS[filters.since]
    unit = filters.unit if filters.unit in units else units[0]
    asked: Deferred[UsageReport] = context.ledger.usage(filters.question(context.now, filters.by))
    total = await asked
    report = await context.ledger.usage(filters.question(context.now, f"{unit},{filters.by}"))
    periods, series = chart_data(report.rows, total.rows, filters.by, filters.measure)
    heat = []
    if RANGES[filters.since] >= _HEAT_FROM:
        since = context.now - min(RANGES[filters.since], _HEAT_TO)
        hours = await context.ledger.usage(
            replace(filters.question(context.now, "hour"), since=since)
        )
        heat = heat_rows(hours.rows, filters.measure)
    values: dict[str, Any] = {
        "page": "usage",
        "heat": heat,
        "heat_days": round(min(RANGES[filters.since], _HEAT_TO) / 86_400),
        "export": partial(export_address, context.now, filters),
        "filters": filters,
        "address": Address("usage", filters),
        "link": request_list,
        "ranges": list(_UNITS),
        "units": units,
        "unit": unit,
        "groups": _GROUPS,
        "measures": ("tokens", "cost", "requests"),
        "zone": filters.zone or zone_name(),
        "report": total,
        "refused": ", ".join(
            f"{number} {describe_refusal(kind)}" for kind, number in total.refused.items()
        ),
        "periods": periods,
        "series": series,
        "chart": msgspec.json.encode(
            {"periods": periods, "series": series, "measure": filters.measure}
        ).decode(),
    }
    return Page("usage.html", values)


def chart_data(
    rows: Sequence[UsageRow], groups: Sequence[UsageRow], by: str, measure: Measure
) -> tuple[list[str], list[Series]]:
    """Return the periods, oldest first, and the values of the largest groups and of the others.

    The others, whose name is ``""``, include what belongs to no group.
    """
    ranked = sorted(groups, key=lambda row: -value_of(row.sums, measure))
    names = [getattr(row, by) for row in ranked if value_of(row.sums, measure)]
    shown = [name for name in names if name][:_COLOURS]
    periods = sorted({row.period or "" for row in rows})
    place = {period: number for number, period in enumerate(periods)}
    found = {name: [0.0] * len(periods) for name in shown}
    others = [0.0] * len(periods)
    for row in rows:
        values = found.get(getattr(row, by) or "", others)
        values[place[row.period or ""]] += value_of(row.sums, measure)
    series = [Series(name, values) for name, values in found.items()]
    if any(others):
        series.append(Series("", others))
    return periods, series


def value_of(sums: Sums, measure: Measure) -> float:
    """Return what a chart shows of sums."""
    if measure == "tokens":
        return float(sums.tokens.total)
    return sums.cost if measure == "cost" else float(sums.requests)


def heat_rows(rows: Sequence[UsageRow], measure: Measure) -> list[list[HeatCell]]:
    """Return the values of each hour of each weekday, Monday first; none if all are 0."""
    sums = [[0.0] * 24 for _ in range(7)]
    for row in rows:
        began = datetime.fromisoformat(row.period or "")
        sums[began.weekday()][began.hour] += value_of(row.sums, measure)
    most = max(map(max, sums))
    if not most:
        return []
    return [
        [HeatCell(value, math.ceil(_LEVELS * value / most)) for value in hours] for hours in sums
    ]
