"""One request: its attempts, its route, its tokens, its cost, and what was sent and received."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from msgspec import Struct

from antigravity.dashboard.address import request_list
from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.payload_view import PayloadView
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.ir.errors import NotFoundError


class ReplayForm(Struct, frozen=True, forbid_unknown_fields=True):
    """The form that sends a request again."""

    model: str = ""


def address(reference: str) -> str:
    """Return the address of the page of a request."""
    return f"/dashboard/requests/{quote(reference, safe='')}"


async def build(context: PageContext, request_id: str) -> Page:
    """Return the page of one request.

    :param request_id: its reference, or its id.
    """
    found = await context.ledger.request(request_id)
    reference = found.request.reference
    payloads: PayloadView | None = None
    with suppress(NotFoundError):  # they are not kept
        payloads = PayloadView(await context.ledger.payloads(reference), context.url)
    return Page(
        "request.html",
        {
            "page": "requests",
            "detail": found,
            "request": found.request,
            "link": request_list,
            "parts": ("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning"),
            "payloads": payloads,
            "kept": context.administration.status().ledger.payloads,
            "replay": f"{address(reference)}/replay",
            "same_id": [(each, address(each)) for each in found.same_id],
        },
    )


async def replay(context: PageContext, request_id: str) -> Page:
    """Send a request again, and lead to the page of the new one."""
    form = context.read_form(ReplayForm)
    done = await context.administration.replay(request_id, form.model.strip())
    said = text("payloads.replayed", id=request_id, status=done.status)
    context.session.notice = Notice(said, done.status >= 400)
    to = address(done.id)
    return Page("link.html", {"to": to}, 303, (("Location", to),))
