"""The API keys: what they may do, and how they are used."""

from __future__ import annotations

from antigravity.dashboard.address import request_list
from antigravity.dashboard.context import Page, PageContext
from antigravity.interfaces.access import KeyReport


async def build(context: PageContext) -> Page:
    """Return the page."""
    report: KeyReport = await context.administration.access.keys()
    return Page("keys.html", {"page": "keys", "report": report, "link": request_list})
