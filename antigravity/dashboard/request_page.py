"""One request: its attempts, its route, its tokens and its cost."""

from __future__ import annotations

from antigravity.dashboard.address import request_list
from antigravity.dashboard.context import Page, PageContext


async def build(context: PageContext, request_id: str) -> Page:
    """Return the page of one request."""
    found = await context.ledger.request(request_id)
    return Page(
        "request.html",
        {
            "page": "requests",
            "detail": found,
            "request": found.request,
            "link": request_list,
            "parts": ("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning"),
        },
    )
