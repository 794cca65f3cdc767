"""Checks of admin routes and dashboard pages."""

from __future__ import annotations

import msgspec

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.dashboard import DashboardPage
from antigravity.testing.attempts import Problems


def check_admin_route(route: AdminRoute) -> Problems:
    """Yield what is wrong with a route of the admin API."""
    if not route.summary.endswith("."):
        yield "has a summary that is no sentence"
    if route.response is None and not route.media_types:
        yield "declares neither a response nor media types"
    for kind in (route.query, route.body, route.response):
        try:
            msgspec.json.schema(kind)
        except (TypeError, ValueError) as error:
            yield f"has a type without a JSON schema: {error}"
    given = route.query if route.body is None else route.body
    if route.example and given is not None:
        try:
            msgspec.convert(route.example, given)
        except msgspec.ValidationError as error:
            yield f"has an example that is wrong: {error}"


def check_dashboard_page(page: DashboardPage) -> Problems:
    """Yield what is wrong with a page; its data is not read."""
    from jinja2 import Environment, TemplateSyntaxError

    if not page.title.strip():
        yield "has no title"
    try:
        Environment(autoescape=True).parse(page.template)
    except TemplateSyntaxError as error:
        yield f"has a template with an error in line {error.lineno}: {error.message}"
    for name, route in page.actions.items():
        for fault in check_admin_route(route):
            yield f"has an action {name!r} that {fault}"
