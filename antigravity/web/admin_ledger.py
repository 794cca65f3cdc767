"""The operator's questions about finished requests."""

from __future__ import annotations

from collections.abc import Iterator

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.ledger import (
    ILedger,
    RequestDetail,
    RequestPage,
    RequestQuestion,
    UsageQuestion,
    UsageReport,
)
from antigravity.ir.errors import NotFoundError, UnavailableError


def ledger_routes(ledger: ILedger) -> Iterator[AdminRoute]:
    """Yield the declaration of each question."""
    yield AdminRoute(
        method="GET",
        path="/admin/requests",
        summary="List finished requests, newest first.",
        example={"outcome": "error", "limit": 20},
        query=RequestQuestion,
        response=RequestPage,
        errors=(UnavailableError,),
        handler=lambda query: ledger.requests(query),
    )
    yield AdminRoute(
        method="GET",
        path="/admin/requests/<request_id>",
        summary="Show one finished request with its route, attempts and warnings.",
        names={"request_id": "the id in the list, which clients get as X-Request-Id"},
        response=RequestDetail,
        errors=(NotFoundError, UnavailableError),
        handler=lambda request_id: ledger.request(request_id),
    )
    yield AdminRoute(
        method="GET",
        path="/admin/usage",
        summary="Add up requests, tokens, costs and mean times of finished requests.",
        details="Without times, these are the last 24 hours.",
        example={"by": "model,day", "zone": "Europe/Paris"},
        query=UsageQuestion,
        response=UsageReport,
        errors=(UnavailableError,),
        handler=lambda query: ledger.usage(query),
    )
