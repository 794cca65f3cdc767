"""The installation: versions, listeners, tunnel, plugins, tools, what is stored, and settings."""

from __future__ import annotations

from typing import Final

from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.qr_code import qr_code
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.interfaces.system import ISystemControl
from antigravity.web.authentication import DASHBOARD_PATH

ADDRESS: Final = f"{DASHBOARD_PATH}/system"


async def build(context: PageContext) -> Page:
    """Return the page."""
    control: ISystemControl = context.administration.system
    report = await control.report()
    tunnel = context.administration.tunnel()
    return Page(
        "system.html",
        {
            "page": "system",
            "report": report,
            "configuration": control.configuration(),
            "tunnel": tunnel,
            "codes": [(each, qr_code(each)) for each in tunnel.addresses],
            "servers": context.administration.status().mcp.servers,
            "stored": sum(each.bytes for each in report.storage),
        },
    )


async def examine(context: PageContext) -> Page:
    """Run the checks of the command ``doctor``, and return what they found."""
    control: ISystemControl = context.administration.system
    report = await control.examine()
    return Page("doctor.html", {"page": "system", "report": report})


async def start_tunnel(context: PageContext) -> None:
    """Start the tunnel; it needs a minute until it has an address."""
    context.administration.start_tunnel(False)
    context.session.notice = Notice(text("system.tunnel_starts"))


async def stop_tunnel(context: PageContext) -> None:
    """Stop the tunnel."""
    await context.administration.stop_tunnel()
    context.session.notice = Notice(text("system.tunnel_stopped"))
