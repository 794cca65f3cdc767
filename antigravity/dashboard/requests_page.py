"""The list of finished requests."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Literal

from msgspec import Struct

from antigravity.dashboard.address import RANGES, Address, export_address
from antigravity.dashboard.context import Page, PageContext
from antigravity.interfaces.ledger import WINDOW, Order, Outcome, Place, RequestQuestion, SearchText

#: Requests of one page, and the most new ones that are added to it at a time.
PAGE: Final = 50
_MOST_NEW: Final = 100
#: The columns that the ledger sorts.
_SORTS: Final = ("first_byte", "duration", "tokens", "cost")
#: What one request of a list can be filtered by, in the order of the form.
_FIELDS: Final = ("model", "account", "upstream", "client", "client_key", "session", "text")


class RequestFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of the list; ``before`` and ``after`` are places in it."""

    since: Literal["", "15m", "1h", "24h", "7d", "30d", "365d"] = ""
    model: str = ""
    account: str = ""
    upstream: str = ""
    client: str = ""
    client_key: str = ""
    session: str = ""
    outcome: Outcome | Literal[""] = ""
    text: SearchText = ""
    before: Place = 0
    after: Place = 0
    sort: Order | Literal[""] = ""

    def question(self, now: float, limit: int) -> RequestQuestion:
        """Return the question to the ledger."""
        return RequestQuestion(
            since=now - RANGES[self.since] if self.since else None,
            model=self.model or None,
            account=self.account or None,
            upstream=self.upstream or None,
            client=self.client or None,
            client_key=self.client_key or None,
            session=self.session or None,
            outcome=self.outcome or None,
            text=self.text or None,
            before=self.before or None,
            after=self.after or None,
            sort=self.sort or "time",
            limit=limit,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether requests are left out."""
        return any(getattr(self, name) for name in (*_FIELDS, "since", "outcome"))


async def build(context: PageContext) -> Page:
    """Return the list."""
    filters = context.read(RequestFilters)
    found = await context.ledger.requests(filters.question(context.now, PAGE))
    address = Address("requests", filters)
    is_sorted = filters.sort not in ("", "time")
    is_live = not filters.before and not is_sorted
    values: dict[str, Any] = {
        "page": "requests",
        "filters": filters,
        "fields": _FIELDS,
        "ranges": list(RANGES),
        "requests": found.requests,
        "address": address,
        "next": found.next and address(before=found.next, after=""),
        "is_live": is_live,
        "is_sorted": is_sorted,
        "sorts": _SORTS,
        "window": WINDOW,
        "new": address("requests/new", before="", after=""),
        "newest": found.newest or "0",
        "is_filtered": filters.is_filtered,
        "export": partial(export_address, context.now, filters),
    }
    return Page("requests.html", values)


async def build_new(context: PageContext) -> Page:
    """Return the rows of the requests after ``after``; a header has the place of the newest."""
    filters = context.read(RequestFilters)
    found = await context.ledger.requests(filters.question(context.now, _MOST_NEW))
    values = {"requests": found.requests, "address": Address("requests", filters)}
    return Page("request_rows.html", values, headers=(("X-Newest", found.newest or "0"),))
