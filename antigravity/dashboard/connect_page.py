"""How clients are set up to use this gateway."""

from __future__ import annotations

from msgspec import Struct

from antigravity.client_setup.guides import client_guides
from antigravity.dashboard.context import Page, PageContext
from antigravity.interfaces.access import SetupQuestion, SetupReport


class ConnectFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of the page."""

    client: str = client_guides()[0].name


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
            "clients": client_guides(),
        },
    )
