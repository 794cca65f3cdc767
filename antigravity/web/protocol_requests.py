"""Requests of the protocols, over HTTP and WebSocket: thin calls of the exchange."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from antigravity.interfaces.exchange import IExchange
from antigravity.ir.call import Call
from antigravity.ir.errors import UpgradeRequiredError
from antigravity.ir.json_text import SMALL, clean_json
from antigravity.web.admission import AdmissionPolicy
from antigravity.web.connection.request import GatewayRequest
from antigravity.web.request import pop_body
from antigravity.web.request_head import RequestHead
from antigravity.web.responses import write_reply
from antigravity.web.routing_table import Candidate, RoutingTable, SharedRoute


class ProtocolRequests:
    """The requests of the protocols with these routes."""

    def __init__(
        self, exchange: IExchange, admission: AdmissionPolicy, routes: Sequence[SharedRoute]
    ) -> None:
        self._exchange = exchange
        self._admission = admission
        self._routes = routes

    def serve(self, route: SharedRoute, request: Any, **arguments: str) -> Deferred[None]:
        """Pass the request to the exchange."""
        head: RequestHead = request.head
        # In tests of routes it may be one of Twisted's connections.
        is_own, limits = isinstance(request, GatewayRequest), self._admission.limits
        candidate = route.choose(head.headers, head.keys, head.protocol)
        body = pop_body(request)
        if len(body) <= SMALL:  # the exchange does it for larger ones
            body = clean_json(body)
        call = Call(
            candidate.route,
            dict(zip(candidate.names, arguments.values(), strict=True)) if arguments else {},
            head.query,
            head.headers,
            body,
            head.principal,
            head.id,
            head.loopback,
            self._admission.base_url(head, request.isSecure()),
            parameters=head.parameters() if head.args else (),
            arrived=request.started_at if is_own else None,
            take_record=head.take_record if is_own and limits.access_log else None,
        )
        return self._exchange.handle(candidate.protocol, call).addCallback(write_reply, request)

    def upgrade(self, request: Any, head: RequestHead, table: RoutingTable) -> Callable[[], None]:
        """Return what speaks the protocol over WebSocket whose requests are posted to this path.

        :raises UpgradeRequiredError: if that is switched off, or there is none.
        """
        candidate = self._socket_route(head, table)
        settings = self._admission.limits.websocket
        if not settings.enabled or candidate is None:
            raise UpgradeRequiredError(
                "WebSocket is not served here; POST the same request over HTTP instead.",
                code="websocket_not_supported",
            )
        from antigravity.web.websocket.upgrade import upgrade

        return partial(upgrade, request, candidate.protocol, candidate.route, self._exchange)

    def _socket_route(self, head: RequestHead, table: RoutingTable) -> Candidate | None:
        """Return the route for messages over WebSocket: the one for the same requests by POST."""
        routes = {route.endpoint: route for route in self._routes}
        for endpoint, protocol in table.post_endpoints(head.path):
            if endpoint in routes:
                candidate = routes[endpoint].choose(head.headers, head.keys, protocol)
                if candidate.protocol.traits.socket_session is not None:
                    return candidate
        return None
