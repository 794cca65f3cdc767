"""Pages for browsers: paths of their own, which a session opens instead of a key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from twisted.internet.defer import Deferred

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import GatewayError
from antigravity.web.request_head import RequestHead

Handler = Callable[..., Deferred[None] | None]
#: Paths with their methods and handlers.
Paths = Mapping[str, tuple[tuple[str, ...], Handler]]


class Pages(Protocol):
    """The pages of the dashboard."""

    def paths(self) -> Paths:
        """Return every path of a page; each checks its session."""

    def admin_routes(self) -> Iterable[AdminRoute]:
        """Return the routes of the admin API that belong to the pages."""

    def render_error(self, error: GatewayError, head: RequestHead) -> Deferred[Reply]:
        """Return a Deferred with the page that shows an error."""
