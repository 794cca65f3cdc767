"""Dispatches requests to the endpoints of the Klein application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import HTTPException

from antigravity.ir.errors import InvalidRequestError
from antigravity.web.request import head_of
from antigravity.web.responses import is_closed
from antigravity.web.routing_table import PLUGIN, RoutingTable


class GatewayResource(KleinResource):
    """A Klein resource whose URL map is bound once instead of for each request.

    Endpoints of the gateway write their responses themselves, and return ``Deferred`` objects
    that do not fail.  Those of plugins can return whatever Klein renders, and Klein calls them.

    :param preflight: serves ``OPTIONS``.
    :param unmatched: serves requests that match no rule.
    """

    def __init__(
        self,
        klein: Klein,
        table: RoutingTable,
        preflight: Callable[[Any], Deferred[None]],
        unmatched: Callable[[Any], Deferred[None]],
    ) -> None:
        super().__init__(klein)
        self._klein = klein
        self._table = table
        self._preflight = preflight
        self._unmatched = unmatched

    def render(self, request: Any) -> Any:
        """Call the endpoint of ``request``, and finish the request when it is done."""
        head = head_of(request)
        done: Any
        if head.method == "OPTIONS":
            done = self._preflight(request)
        else:
            try:
                endpoint, arguments = self._table.match(head.method, head.path)
            except (HTTPException, InvalidRequestError):
                done = self._unmatched(request)
            else:
                if endpoint.startswith(PLUGIN):
                    return super().render(request)
                done = self._klein.execute_endpoint(endpoint, request, **arguments)
        done.addCallback(_finish, request)
        if not is_closed(request):
            request.notifyFinish().addErrback(lambda _: done.cancel())
        return NOT_DONE_YET


def _finish(_: None, request: Any) -> None:
    if not is_closed(request):
        request.finish()
