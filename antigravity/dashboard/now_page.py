"""What happens now: requests, rates, costs of the day, and what needs attention."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from antigravity.dashboard.accounts_page import is_urgent
from antigravity.dashboard.address import request_list
from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.interfaces.account_control import IAccountControl
from antigravity.interfaces.ledger import UsageQuestion, UsageReport
from antigravity.ir.errors import GatewayError

#: Seconds that the rates are about.
RECENT: Final = 300.0
#: Running requests that are shown, the oldest first.
MOST_RUNNING: Final = 100


async def build(context: PageContext) -> Page:
    """Return the page."""
    return Page("now.html", await _values(context))


async def build_panel(context: PageContext) -> Page:
    """Return the part of the page that changes."""
    return Page("now_panel.html", await _values(context))


async def _values(context: PageContext) -> dict[str, Any]:
    status = context.administration.status()
    control: IAccountControl = context.administration.accounts
    running = context.administration.running().requests
    recent: UsageReport | None = None
    today: UsageReport | None = None
    problem = ""
    try:
        since = context.now - RECENT
        recent = await context.ledger.usage(UsageQuestion(since=since, until=context.now))
        midnight = _midnight(context.now)
        today = await context.ledger.usage(UsageQuestion(since=midnight, until=context.now))
    except GatewayError as error:
        problem = error.message
    return {
        "page": "now",
        "status": status,
        "running": running[:MOST_RUNNING],
        "more_running": max(0, len(running) - MOST_RUNNING),
        "recent": recent,
        "minutes": RECENT / 60,
        "today": today,
        "problem": problem,
        "accounts": [each for each in control.accounts().accounts if is_urgent(each)],
        "configuration_problem": status.configuration.problem,
        "ledger_problem": status.ledger.problem,
        "link": request_list,
    }


def _midnight(now: float) -> float:
    """Return when the day of this machine began."""
    day = datetime.fromtimestamp(now).astimezone()
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


async def cancel(context: PageContext, request_id: str) -> None:
    """Cancel a running request, whose reference is given."""
    context.administration.cancel(request_id)
    name = request_id.rpartition("@")[0] or request_id
    context.session.notice = Notice(text("now.cancelled", id=name))
