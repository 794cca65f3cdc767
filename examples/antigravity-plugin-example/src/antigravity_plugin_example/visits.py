"""Observers that count requests and costs by model, and what shows the counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from msgspec import Struct

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.dashboard import DashboardPage, PageRequest
from antigravity.interfaces.ledger import RequestSummary
from antigravity.ir.record import ExchangeRecord

#: The path of the counts in the admin API.
PATH = "/admin/plugins/example/visits"


class VisitReport(Struct):
    """How many requests there were by model, and what they cost in US dollars."""

    counts: dict[str, int]
    cost: float


class Visits:
    """The counts, and what shows them: a route, an admin route and a page."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._cost = 0.0

    def count(self, record: ExchangeRecord) -> None:
        """Count a request that has ended."""
        self._counts[record.model] += 1

    def add_costs(self, requests: Sequence[RequestSummary]) -> None:
        """Add the costs of requests whose price is known."""
        self._cost += sum(each.cost or 0.0 for each in requests)

    def show(self, request: Any) -> bytes:
        """Serve the counts to anybody who may use the gateway."""
        request.setHeader("Content-Type", "application/json")
        return json.dumps(self._counts).encode()

    def report(self) -> VisitReport:
        """Return the counts and costs to the operator."""
        return VisitReport(dict(self._counts), self._cost)

    def forget(self) -> VisitReport:
        """Start again with zero."""
        self._counts.clear()
        self._cost = 0.0
        return self.report()

    def route(self) -> AdminRoute:
        """Return the request that shows the report to scripts."""
        return AdminRoute(
            method="GET",
            path=PATH,
            summary="Show how many requests there were by model.",
            response=VisitReport,
            handler=self.report,
        )

    def page(self) -> DashboardPage:
        """Return the page of the dashboard; its button is a request of the admin API."""
        forget = AdminRoute(
            method="DELETE",
            path=PATH,
            summary="Forget the requests of the past.",
            response=VisitReport,
            handler=self.forget,
        )
        return DashboardPage(
            name="visits",
            title="Visits",
            template=(files("antigravity_plugin_example") / "visits.html").read_text("utf-8"),
            data=self._values,
            actions={"forget": forget},
        )

    def _values(self, request: PageRequest) -> dict[str, Any]:
        total = sum(self._counts.values())
        return {"counts": self._counts, "total": total, "cost": self._cost}
