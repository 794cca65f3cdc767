"""The operator's questions about finished requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.ledger import (
    ExportQuestion,
    ILedger,
    RequestDetail,
    RequestPage,
    RequestQuestion,
    UsageQuestion,
    UsageReport,
)
from antigravity.interfaces.payloads import RequestPayloads
from antigravity.ir.errors import NotFoundError, UnavailableError
from antigravity.web.piece_stream import PieceStream
from antigravity.web.responses import NOT_STORED

_ID: Final = {
    "request_id": (
        "the id in the list, which clients get as X-Request-Id and may use twice; or the reference "
        "in the list, which names one request"
    )
}
#: The type of each format of an export, and the end of its file's name.
_FORMATS: Final = {
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "har": "application/json",
}


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
        names=_ID,
        response=RequestDetail,
        errors=(NotFoundError, UnavailableError),
        handler=lambda request_id: ledger.request(request_id),
    )
    yield AdminRoute(
        method="GET",
        path="/admin/requests/<request_id>/payloads",
        summary="Show what was sent and received for one request, without secrets.",
        details="It is kept only as far as ``ledger.payloads`` says.",
        names=_ID,
        response=RequestPayloads,
        errors=(NotFoundError, UnavailableError),
        handler=lambda request_id: ledger.payloads(request_id),
    )
    yield AdminRoute(
        method="GET",
        path="/admin/export",
        summary="Export finished requests, oldest first, as JSON lines, CSV or HTTP Archive.",
        example={"format": "har"},
        query=ExportQuestion,
        media_types=tuple(kind.partition(";")[0] for kind in _FORMATS.values()),
        errors=(UnavailableError,),
        handler=lambda query: export_requests(ledger, query),
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


async def export_requests(ledger: ILedger, query: ExportQuestion) -> Reply:
    """Return a reply with finished requests as a file."""
    next_piece = await ledger.export(query)
    stream = PieceStream(next_piece, await next_piece())
    name = f"antigravity-requests.{query.format}"
    headers = (*NOT_STORED, ("Content-Disposition", f'attachment; filename="{name}"'))
    return Reply(200, _FORMATS[query.format], headers, stream=stream)
