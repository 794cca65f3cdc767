"""The API keys: what they may do, and how they are used."""

from __future__ import annotations

from antigravity.dashboard.address import request_list
from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.texts import text
from antigravity.interfaces.access import KeyReport
from antigravity.interfaces.keys import ClientKeyView


async def build(context: PageContext) -> Page:
    """Return the page."""
    report: KeyReport = await context.administration.access.keys()
    values = {"page": "keys", "report": report, "link": request_list, "summary": summarise}
    return Page("keys.html", values)


def summarise(rules: ClientKeyView) -> str:
    """Return the rules of a key in few words."""
    parts = [] if rules.state == "valid" else [text(f"keys.state_{rules.state}")]
    for name in ("models", "upstreams", "endpoints", "addresses", "times"):
        if values := getattr(rules, name):
            parts.append(text(f"keys.only_{name}", values=", ".join(values)))
    for name in ("requests_per_minute", "tokens_per_minute", "parallel_requests", "max_addresses"):
        if (limit := getattr(rules, name)) is not None:
            parts.append(text(f"keys.limit_{name}", limit=f"{limit:,}"))
    parts += [f"${budget}" for budget in rules.budgets]
    if rules.expires:
        parts.append(text("keys.until", time=rules.expires[:16].replace("T", " ")))
    return "; ".join(parts) or text("keys.right_models")
