"""Dispatches requests to the endpoints of the Klein application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import HTTPException

from antigravity.ir.errors import InvalidRequestError
from antigravity.web.connection.request import GatewayRequest
from antigravity.web.request import head_of
from antigravity.web.request_head import RequestHead
from antigravity.web.responses import is_closed
from antigravity.web.routing_table import PLUGIN, RoutingTable

#: Writes the response to a request that has been admitted.  It returns a Deferred that fires when
#: the response is written, or ``None`` if it is; neither fails.
Endpoint = Callable[..., Deferred[None] | None]


class GatewayResource(KleinResource):
    """A Klein resource whose URL map is bound once instead of for each request.

    Endpoints of the gateway are called directly.  Those of plugins can return whatever Klein
    renders, and Klein calls them.

    :param endpoints: the gateway's endpoints by the names of their Klein rules.
    :param preflight: serves ``OPTIONS``.
    :param unmatched: serves requests that match no rule.
    """

    def __init__(
        self,
        klein: Klein,
        table: RoutingTable,
        endpoints: Mapping[str, Endpoint],
        preflight: Endpoint,
        unmatched: Endpoint,
    ) -> None:
        super().__init__(klein)
        self._table = table
        self._endpoints = endpoints
        self._preflight = preflight
        self._unmatched = unmatched

    def is_served_by_all(self, head: RequestHead) -> bool:
        """Return whether each of several processes can serve a request.

        The main process serves the routes of plugins, and whatever has no route here.
        """
        try:
            endpoint, _ = self._table.match(head.method, head.path)
        except (HTTPException, InvalidRequestError):
            return is_socket(head)
        return not endpoint.startswith(PLUGIN)

    def render(self, request: Any) -> Any:
        """Call the endpoint of ``request``, and finish the request when it is done."""
        head = head_of(request)
        arguments: Mapping[str, str] = {}
        if head.method == "OPTIONS":
            serve = self._preflight
        else:
            try:
                endpoint, arguments = self._table.match(head.method, head.path)
            except (HTTPException, InvalidRequestError):
                serve = self._unmatched
            else:
                if endpoint.startswith(PLUGIN):
                    return super().render(request)
                serve = self._endpoints[endpoint]
        done = serve(request, **arguments)
        if done is None:
            _finish(None, request)
            return NOT_DONE_YET
        done.addCallback(_finish, request)
        if not isinstance(request, GatewayRequest) and not is_closed(request):
            # The gateway's own connections cancel what runs for a request.
            request.notifyFinish().addErrback(lambda _: done.cancel())
        return NOT_DONE_YET


def is_socket(head: RequestHead) -> bool:
    """Return whether a request wants to change to a protocol over WebSocket."""
    return head.upgrade == "websocket" and head.path.rstrip("/").endswith("/responses")


def _finish(_: None, request: Any) -> None:
    if not is_closed(request):
        request.finish()
