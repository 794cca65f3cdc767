"""Costs of today by model, shown on a page and by a tool."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from zope.interface import implementer

from antigravity.hookspecs import hookimpl
from antigravity.interfaces.dashboard import DashboardPage, PageRequest
from antigravity.interfaces.ledger import RequestSummary
from antigravity.interfaces.mcp import IMcpTool

#: Models that are counted apart; the others are added up.
MOST = 100
OTHERS = "others"


class Spending:
    """The costs of one day, in US dollars; a new day begins with zero."""

    def __init__(self) -> None:
        self.limit = 5.0
        self._day = ""
        self._costs: Counter[str] = Counter()
        self._unpriced = 0

    def add(self, requests: Sequence[RequestSummary]) -> None:
        """Add requests that have ended.  Their times are UTC in ISO 8601."""
        for each in requests:
            day = each.time[:10]
            if day > self._day:
                self._day, self._unpriced = day, 0
                self._costs.clear()
            if day < self._day:
                continue
            if each.cost is None:
                self._unpriced += 1
            else:
                known = each.model in self._costs or len(self._costs) < MOST
                self._costs[each.model if known else OTHERS] += each.cost  # type: ignore[assignment]

    def report(self) -> dict[str, Any]:
        """Return the costs, the dearest model first."""
        return {
            "day": self._day,
            "limit": self.limit,
            "total": round(sum(self._costs.values()), 6),
            "unpriced": self._unpriced,
            "models": self._costs.most_common(),
        }

    def values(self, request: PageRequest) -> dict[str, Any]:
        """Return the values of the page."""
        return self.report()


@implementer(IMcpTool)
class SpendingTool:
    """Shows the same to agents."""

    name = "spending"
    title = "Spending"
    description = "Shows what was spent today, by model, and the limit, in US dollars."
    input_schema: Mapping[str, Any] = {"type": "object", "properties": {}}
    output_schema = None
    annotations: Mapping[str, Any] = {"readOnlyHint": True}

    def __init__(self, spending: Spending) -> None:
        self._spending = spending

    def call(self, arguments: Mapping[str, Any], context: object) -> str:
        """Return the report as JSON."""
        return json.dumps(self._spending.report())


spending = Spending()


@hookimpl
def register_mcp_tools(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    spending.limit = float(settings.get("limit", 5.0))
    register(SpendingTool(spending))


@hookimpl
def register_dashboard_pages(register: Callable[[object], None]) -> None:
    template = (files("antigravity_spending") / "spending.html").read_text("utf-8")
    page = DashboardPage(name="spending", title="Spending", template=template, data=spending.values)
    register(page)


@hookimpl
def requests_recorded(requests: Sequence[RequestSummary]) -> None:
    spending.add(requests)
