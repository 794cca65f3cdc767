"""How clients are set up to use this gateway, and what connects them on its own machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from antigravity.connect.clients import CLIENTS
from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.interfaces.access import SetupQuestion, SetupReport
from antigravity.interfaces.connections import (
    Action,
    ApplyRequest,
    ConnectionPreview,
    ConnectionReport,
    IConnections,
    PreviewRequest,
)
from antigravity.ir.errors import ConflictError, GatewayError, NotFoundError
from antigravity.web.authentication import DASHBOARD_PATH

#: The page of one client.
ADDRESS: Final = f"{DASHBOARD_PATH}/connect?client={{client}}"
_ACTIONS: Final[Mapping[str, Action]] = {"connect": "connect", "disconnect": "disconnect"}


class ConnectFilters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of the page."""

    client: str = next(iter(CLIENTS))


async def build(context: PageContext) -> Page:
    """Return the page of one client."""
    return await _page(context, context.read(ConnectFilters).client)


async def change(context: PageContext, client: str, action: str) -> Page | None:
    """Preview a change, or make it, as the last part of the path says.

    :raises NotFoundError: if there is no such action.
    """
    if action == "preview":
        return await _preview(context, client, context.read_form(PreviewRequest))
    if action not in _ACTIONS:
        raise NotFoundError("There is no such change of clients.")
    wanted = context.read_form(ApplyRequest)
    try:
        done = await _control(context).apply(client, _ACTIONS[action], wanted)
    except ConflictError as error:
        return await _page(context, client, problem=error, status=error.status)
    notes = "  ".join(done.notes)
    name = "connect.connected_now" if action == "connect" else "connect.disconnected_now"
    said = text(name, client=done.connection.title)
    context.session.notice = Notice(f"{said}  {notes}" if notes else said)
    return None


async def _preview(context: PageContext, client: str, wanted: PreviewRequest) -> Page:
    try:
        preview = await _control(context).preview(client, wanted)
    except GatewayError as error:
        return await _page(context, client, wanted, problem=error)  # it is an answer, too
    return await _page(context, client, wanted, preview)


async def _page(
    context: PageContext,
    client: str,
    wanted: PreviewRequest | None = None,
    preview: ConnectionPreview | None = None,
    problem: GatewayError | None = None,
    status: int = 200,
) -> Page:
    question = SetupQuestion(client=client, address=context.url)
    report: SetupReport = await context.administration.access.setup(question)
    local = await _local(context)
    states = {each.client: each for each in local.connections}
    values: dict[str, Any] = {
        "page": "connect",
        "report": report,
        "client": report.clients[0],
        "clients": list(CLIENTS.values()),
        "states": states,
        "state": states.get(client),
        "local_problem": local.problem,
        "wanted": wanted or PreviewRequest(),
        "preview": preview,
        "problem": "" if problem is None else problem.message,
    }
    return Page("connect.html", values, status)


async def _local(context: PageContext) -> ConnectionReport:
    """Return the clients on the gateway's machine, if the browser is there, too."""
    if not context.is_local:
        return ConnectionReport(connections=[], problem=text("connect.not_local"))
    try:
        found: ConnectionReport = await _control(context).report()
    except GatewayError as error:
        return ConnectionReport(connections=[], problem=error.message)
    return found


def _control(context: PageContext) -> IConnections:
    control: IConnections = context.administration.connections
    return control
