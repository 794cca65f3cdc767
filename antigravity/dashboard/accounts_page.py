"""The accounts: state and why, locks, quotas, and which one is fixed."""

from __future__ import annotations

from antigravity.dashboard.account_rows import account_rows
from antigravity.dashboard.address import request_list
from antigravity.dashboard.context import Page, PageContext


async def build(context: PageContext) -> Page:
    """Return the page; the query can have the result of a change."""
    status = context.administration.status()
    pool = status.pool
    return Page(
        "accounts.html",
        {
            "page": "accounts",
            "accounts": account_rows(status, context.seconds),
            "mode": pool.mode,
            "fixed": pool.fixed,
            "queue": pool.queue,
            "done": context.query.get("done", "")[:200],
            "link": request_list,
        },
    )
