"""The Klein application: the routes of all that is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred
from werkzeug.exceptions import HTTPException

from antigravity.config.settings import Settings
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.exchange import IExchange, Reply
from antigravity.interfaces.keys import IKeyRing
from antigravity.interfaces.ledger import ILedger
from antigravity.interfaces.mcp import IMcpEndpoint
from antigravity.interfaces.metrics import IMetrics
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.errors import GatewayError, NotFoundError
from antigravity.web.admin_api import AdminApi
from antigravity.web.admin_ledger import ledger_routes
from antigravity.web.admin_requests import own_routes
from antigravity.web.admission import AdmissionPolicy
from antigravity.web.authentication import FILES_PATH, METRICS_PATH
from antigravity.web.documentation import DocumentationPaths
from antigravity.web.guards import Guards, Handler
from antigravity.web.host_policy import preflight_headers
from antigravity.web.key_proof import KeyProofs
from antigravity.web.mcp import mcp_routes
from antigravity.web.own_paths import KeyUsage, OwnPaths
from antigravity.web.pages import Pages
from antigravity.web.protocol_requests import ProtocolRequests
from antigravity.web.request import head_of
from antigravity.web.request_head import RequestHead
from antigravity.web.resource import Endpoint, GatewayResource, is_socket
from antigravity.web.responses import set_headers, write_whole
from antigravity.web.routing_table import (
    PLUGIN,
    MatchedRule,
    RoutingTable,
    SharedRoute,
    add_converters,
    shared_routes,
)
from antigravity.web.site import GatewaySite
from antigravity.web.tunnel_access import TunnelAccess

#: A route of a plugin: method, Klein path, handler.  The handler gets the request, and the names
#: in the path as keywords; it returns anything that Klein renders, also as Deferred or coroutine.
ExtraRoute = tuple[str, str, Callable[..., object]]


class WebApp:
    """The web application: all routes of the gateway, its protocols and its plugins.

    :param extra_routes: routes of plugins; they take precedence over the protocols' routes.
    :param mcp: the MCP endpoints by path.
    :param pages: the dashboard, if it is on.
    :param admin_routes: routes of the admin API besides the gateway's own.
    :param demo: whether a simulator serves every model, which each response then says.
    :param ring: the keys of clients; :param key_usage: returns what one of them has used.
    :ivar admin: the admin API.
    """

    def __init__(
        self,
        exchange: IExchange,
        protocols: Sequence[IServerProtocol],
        settings: Settings,
        extra_routes: Sequence[ExtraRoute] = (),
        hostname: str = "",
        administration: IAdministration | None = None,
        ledger: ILedger | None = None,
        metrics: IMetrics | None = None,
        mcp: Mapping[str, IMcpEndpoint] | None = None,
        pages: Pages | None = None,
        admin_routes: Sequence[AdminRoute] = (),
        demo: bool = False,
        ring: IKeyRing | None = None,
        key_usage: KeyUsage | None = None,
    ) -> None:
        self.admission = AdmissionPolicy(protocols, settings, hostname, ring)
        self._key_proofs = KeyProofs(settings.proxy)
        self._guards = Guards(self.admission, pages, demo=demo)
        self._exchange = exchange
        self._administration = administration
        self._ledger = ledger
        self._metrics = metrics
        self._pages = pages
        self._declared = admin_routes
        self._is_demo = demo
        self._key_usage = key_usage
        self._klein = klein = Klein()
        self._endpoints: dict[str, Endpoint] = {}
        routes = list(shared_routes(protocols))
        self._requests = ProtocolRequests(exchange, self.admission, routes)
        self._add_routes(extra_routes, mcp or {}, routes)
        self._table = RoutingTable(klein, routes)
        self._resource = GatewayResource(
            klein,
            self._table,
            self._endpoints,
            self._guards.wrap(self._preflight),
            self._guards.wrap(self._serve_unmatched),
        )

    def configure(self, settings: Settings) -> None:
        """Apply ``settings`` from the next request on."""
        self.admission.configure(settings)
        self._key_proofs.use(settings.proxy)

    def resource(self) -> KleinResource:
        """Return the application as a resource."""
        return self._resource

    def site(self, reactor: Any, tunnel: TunnelAccess | None = None) -> GatewaySite:
        """Return a factory of connections to the application, with all limits in force.

        :param tunnel: marks requests through the tunnel; ``None`` for the gateway's own listener.
        """
        site = GatewaySite(reactor, tunnel)
        site.serve(self._resource, self.admission)
        return site

    def _add_routes(
        self,
        extra_routes: Sequence[ExtraRoute],
        mcp: Mapping[str, IMcpEndpoint],
        routes: Sequence[SharedRoute],
    ) -> None:
        """Add a Klein rule for everything that is served; ``routes`` are the protocols'."""
        klein, guards = self._klein, self._guards
        add_converters(klein)
        for number, (method, path, handler) in enumerate(extra_routes):
            methods = [method] if method not in ("*", "ANY") else None
            add = klein.route(path, methods=methods, endpoint=f"{PLUGIN}{number}")
            add(guards.wrap_plugin(handler))
        own_paths = OwnPaths(
            self._exchange,
            self._administration,
            demo=self._is_demo,
            key_usage=self._key_usage,
        )
        for path, (allowed, handler) in own_paths.paths():
            self._route(path, allowed, handler)
        for path, (allowed, handler) in self._key_proofs.paths():
            self._route(path, allowed, handler)
        for path, (allowed, handler) in DocumentationPaths().paths():
            self._route(path, allowed, handler)
        for path, (allowed, handler) in mcp_routes(mcp).items():
            self._route(path, allowed, guards.for_tools(handler))
            for rule in klein.url_map.iter_rules(path):
                rule.methods = set(allowed)  # werkzeug adds HEAD to GET
        self.admin = AdminApi(self._admin_routes(), [each[:2] for each in extra_routes])
        for path, allowed, handler in self.admin.endpoints():
            endpoint = f"{allowed[0]} {path}"
            self._route(path, allowed, guards.for_operator(handler), endpoint)
        if self._metrics is not None:
            self._route(METRICS_PATH, ["GET", "HEAD"], guards.for_operator(self._show_metrics))
        if self._pages is not None:
            for path, (allowed, show) in self._pages.paths().items():
                self._route(path, allowed, guards.not_through_tunnel(show))
        for route in routes:
            serve = partial(self._requests.serve, route)
            self._route(route.rule, [route.method], serve, route.endpoint)
        klein.handle_errors(HTTPException)(
            lambda request, _: guards.wrap(self._serve_unmatched)(request)
        )
        klein.handle_errors(Exception)(guards.fail_late)

    def _admin_routes(self) -> Iterator[AdminRoute]:
        """Yield the declarations of the admin API."""
        yield from self._declared
        if self._administration is not None:
            # Read late, because the throttle is replaced.
            yield from own_routes(self._administration, lambda: self.admission.key_throttle.total)
        if self._ledger is not None:
            yield from ledger_routes(self._ledger)
        if self._pages is not None:
            yield from self._pages.admin_routes()

    def _route(
        self, path: str, methods: Sequence[str], handler: Handler, endpoint: str = ""
    ) -> None:
        """Add a rule for a handler that writes its response itself, which Klein does not call."""
        endpoint = endpoint or path
        self._endpoints[endpoint] = self._guards.wrap(handler)
        self._klein.url_map.add(MatchedRule(path, methods=methods, endpoint=endpoint))

    def _preflight(self, request: Any) -> None:
        head = head_of(request)
        headers: tuple[tuple[str, str], ...] = ()
        if head.allowed_origin:
            headers = preflight_headers(
                head.header("access-control-request-headers"),
                head.header("access-control-request-private-network") == "true",
            )
        else:
            allowed = self._table.allowed(head.path)
            headers = (("Allow", ", ".join((*allowed, "OPTIONS"))),)
        write_whole(request, Reply(204, "", headers))

    def _show_metrics(self, request: Any) -> Deferred[None]:
        assert self._metrics is not None
        page = self._metrics.render()
        return page.addCallback(
            lambda found: write_whole(request, Reply(200, found[0], (), found[1]))
        )

    def _serve_unmatched(self, request: Any) -> Deferred[None] | None:
        """Serve the corrected path, or raise the error that explains the problem.

        Nothing has served such a request, so that it counts as refused.
        """
        head = head_of(request)
        try:
            serve = self._find_unmatched(request, head)
        except GatewayError as error:
            self.admission.count_refusal(error)
            raise
        return serve()

    def _find_unmatched(
        self, request: Any, head: RequestHead
    ) -> Callable[[], Deferred[None] | None]:
        """Return what serves a request whose path has no rule.

        :raises GatewayError: if nothing does.
        """
        if head.path.startswith(
            FILES_PATH
        ):  # files need no key, so their paths are never corrected
            raise NotFoundError("File not found or expired.", code="file_not_found")
        if is_socket(head):
            return self._requests.upgrade(request, head, self._table)
        match = self._table.correct(head.method, head.path)
        head.protocol = match.protocol
        corrected = f"{head.path[:200]} -> {match.path[:200]}"
        set_headers(request, (("X-Path-Corrected", corrected),))
        return partial(self._endpoints[match.endpoint], request, **match.arguments)
