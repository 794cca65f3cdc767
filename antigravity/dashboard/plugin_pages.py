"""The pages of plugins, in the frame of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from antigravity.dashboard.context import Page, PageContext
from antigravity.dashboard.renderer import render_text
from antigravity.dashboard.routes import PluginPage
from antigravity.dashboard.sessions import Notice
from antigravity.dashboard.texts import text
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.admin_routes import require_local
from antigravity.interfaces.dashboard import DashboardPage, PageRequest
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.web.authentication import DASHBOARD_PATH
from antigravity.web.plugin_failures import call_plugin

#: Where they are.
PLUGIN_PAGES: Final = f"{DASHBOARD_PATH}/plugins"

#: Pages by name.
Pages = Mapping[str, PluginPage]


async def build(reactor: Any, pages: Pages, name: str, context: PageContext) -> Page:
    """Return the page of a plugin.

    :raises NotFoundError: if no plugin has it.
    :raises PluginFailedError: if its data or its template fail.
    """
    owned = _find(pages, name)
    page, what = owned.page, f"the dashboard page {owned.page.name}"
    asked = PageRequest(context.query, context.administration, context.ledger)
    found = await call_plugin(owned.plugin, what, page.data, asked)
    action = partial(action_address, page)
    made = call_plugin(
        owned.plugin,
        what,
        lambda: call_in_thread(
            reactor,
            render_text,
            page.template,
            {**found, "csrf": context.session.csrf, "action": action},
        ),
    )
    body = await made
    return Page("plugin.html", {"page": f"plugins/{page.name}", "title": page.title, "body": body})


async def act(pages: Pages, page: str, name: str, context: PageContext) -> None:
    """Call an action of a page with the fields of a form.

    :raises NotFoundError: if there is no such page, or it has no such action.
    :raises PermissionDeniedError: if the action is for the gateway's own machine only.
    :raises PluginFailedError: if the action fails.
    """
    owned = _find(pages, page)
    route = owned.page.actions.get(name)
    if route is None:
        raise NotFoundError(f"The page has no action {name[:100]!r}.")
    require_local(route, is_local=context.is_local)
    fields = {each: value for each, value in context.form.items() if each != "csrf"}
    arguments: dict[str, Any] = {
        each: fields.pop(each) for each in tuple(fields) if f"<{each}>" in route.path
    }
    for kind, given in (("query", {}), ("body", fields)):
        declared = getattr(route, kind)
        if declared is not None:
            arguments[kind] = _read(given, declared)
    what = f"the action {name} of the dashboard page {owned.page.name}"
    await call_plugin(owned.plugin, what, route.handler, **arguments)
    context.session.notice = Notice(text("plugins.done"))


def page_address(page: DashboardPage) -> str:
    """Return the path of a page."""
    return f"{PLUGIN_PAGES}/{page.name}"


def action_address(page: DashboardPage, name: str) -> str:
    """Return the path of an action.

    :raises ValueError: if the page has no such action.
    """
    if name not in page.actions:
        raise ValueError(f"the page has no action {name!r}")
    return f"{page_address(page)}/{name}"


def _find(pages: Pages, name: str) -> PluginPage:
    if name not in pages:
        raise NotFoundError(f"No plugin has a page {name[:100]!r}.")
    return pages[name]


def _read(given: Mapping[str, str], kind: Any) -> Any:
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"The form is wrong: {error}.") from None
