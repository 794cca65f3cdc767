"""How clients are set up to use this gateway."""

from __future__ import annotations

from msgspec import Struct

from antigravity.connect.clients import CLIENTS
from antigravity.dashboard.context import Page, PageContext
from antigravity.interfaces.access import SetupQuestion, SetupReport


class ConnectFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of the page."""

    client: str = next(iter(CLIENTS))


async def build(context: PageContext) -> Page:
    """Return the page of one client."""
    filters = context.read(ConnectFilters)
    question = SetupQuestion(client=filters.client, address=context.url)
    report: SetupReport = await context.administration.access.setup(question)
    return Page(
        "connect.html",
        {
            "page": "connect",
            "report": report,
            "client": report.clients[0],
            "clients": list(CLIENTS.values()),
        },
    )
