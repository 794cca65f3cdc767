"""The Klein application: thin routes to the exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from txaio import tx as txaio
from werkzeug.exceptions import HTTPException

from antigravity.config.settings import Settings
from antigravity.deferreds import first_failure
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.exchange import IExchange, Reply
from antigravity.interfaces.keys import IKeyRing
from antigravity.interfaces.ledger import ILedger
from antigravity.interfaces.mcp import IMcpEndpoint
from antigravity.interfaces.metrics import IMetrics
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.call import Call
from antigravity.ir.errors import (
    GatewayError,
    NotFoundError,
    UpgradeRequiredError,
)
from antigravity.ir.json_text import SMALL, clean_json
from antigravity.logs import make_logger
from antigravity.web.admin_api import AdminApi
from antigravity.web.admin_ledger import ledger_routes
from antigravity.web.admin_requests import own_routes
from antigravity.web.admission import AdmissionPolicy
from antigravity.web.authentication import FILES_PATH, METRICS_PATH, is_dashboard
from antigravity.web.connection.request import GatewayRequest
from antigravity.web.documentation import DocumentationPaths
from antigravity.web.host_policy import preflight_headers
from antigravity.web.key_proof import KeyProofs
from antigravity.web.key_throttle import TooManyWrongKeysError
from antigravity.web.mcp import mcp_routes
from antigravity.web.own_paths import KeyUsage, OwnPaths
from antigravity.web.pages import Pages
from antigravity.web.request import head_of, pop_body
from antigravity.web.request_head import RequestHead
from antigravity.web.resource import Endpoint, GatewayResource, is_socket
from antigravity.web.responses import (
    DEMO_HEADERS,
    NOT_STORED,
    abort_connection,
    is_closed,
    set_common_headers,
    set_headers,
    write_reply,
    write_whole,
)
from antigravity.web.routing_table import (
    PLUGIN,
    Candidate,
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
#: A handler of the gateway: it writes its response, at once or until its Deferred fires.
_Handler = Callable[..., Deferred[None] | None]


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

    log = make_logger()

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
        self._routes = list(shared_routes(protocols))
        self._add_routes(extra_routes, mcp or {})
        self._table = RoutingTable(klein, self._routes)
        self._resource = GatewayResource(
            klein,
            self._table,
            self._endpoints,
            self._guarded(self._preflight),
            self._guarded(self._serve_unmatched),
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
        self, extra_routes: Sequence[ExtraRoute], mcp: Mapping[str, IMcpEndpoint]
    ) -> None:
        """Add a Klein rule for everything that is served."""
        klein = self._klein
        add_converters(klein)
        for number, (method, path, handler) in enumerate(extra_routes):
            methods = [method] if method not in ("*", "ANY") else None
            add = klein.route(path, methods=methods, endpoint=f"{PLUGIN}{number}")
            add(self._guarded_plugin(handler))
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
            self._route(path, allowed, self._for_tools(handler))
            for rule in klein.url_map.iter_rules(path):
                rule.methods = set(allowed)  # werkzeug adds HEAD to GET
        self.admin = AdminApi(self._admin_routes(), [each[:2] for each in extra_routes])
        for path, allowed, handler in self.admin.endpoints():
            endpoint = f"{allowed[0]} {path}"
            self._route(path, allowed, self._for_operator(handler), endpoint)
        if self._metrics is not None:
            self._route(METRICS_PATH, ["GET", "HEAD"], self._for_operator(self._show_metrics))
        if self._pages is not None:
            for path, (allowed, show) in self._pages.paths().items():
                self._route(path, allowed, self._not_through_tunnel(show))
        for route in self._routes:
            self._route(route.rule, [route.method], partial(self._serve, route), route.endpoint)
        klein.handle_errors(HTTPException)(
            lambda request, _: self._guarded(self._serve_unmatched)(request)
        )
        klein.handle_errors(Exception)(self._backstop)

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
        self, path: str, methods: Sequence[str], handler: _Handler, endpoint: str = ""
    ) -> None:
        """Add a rule for a handler that writes its response itself, which Klein does not call."""
        endpoint = endpoint or path
        self._endpoints[endpoint] = self._guarded(handler)
        self._klein.url_map.add(MatchedRule(path, methods=methods, endpoint=endpoint))

    # -- all routes --

    def _guarded(self, handler: _Handler) -> Endpoint:
        """Return ``handler`` for admitted requests; its errors are written as responses."""
        errback: Callable[..., None] = self._failed  # type: ignore[assignment]

        def guarded(request: Any, **names: Any) -> Deferred[None] | None:
            head: RequestHead = request.head  # the resource has read it
            try:
                self._admit(request, head)
                done = handler(request, **names)
            except Exception:  # noqa: BLE001 - the client must get a response in any case
                return self._failed(Failure(), request, head)
            if done is None:
                return None
            request.running = done
            return done.addErrback(errback, request, head)

        return guarded

    def _guarded_plugin(self, handler: Callable[..., object]) -> Callable[..., Deferred[Any]]:
        """Return a plugin's handler, which may return anything that Klein renders."""

        def guarded(request: Any, **names: Any) -> Deferred[Any]:
            head = head_of(request)
            done: Deferred[Any] = txaio.as_future(self._call_plugin, request, head, handler, names)
            request.running = done
            return done.addErrback(self._failed, request, head)

        return guarded

    def _call_plugin(
        self,
        request: Any,
        head: RequestHead,
        handler: Callable[..., object],
        names: Mapping[str, Any],
    ) -> object:
        self._admit(request, head)
        self.admission.admit_plugin(head)
        return handler(request, **names)

    def _admit(self, request: Any, head: RequestHead) -> None:
        """Admit a request, unless it was admitted before its body was read."""
        try:
            if not head.admitted:
                self.admission.admit(head)
        finally:
            set_common_headers(request, head)
            if self._is_demo:
                set_headers(request, DEMO_HEADERS)

    def _for_operator(self, handler: _Handler) -> _Handler:
        """Check the operator's key whatever the path was: it may have been corrected."""

        def checked(request: Any, **names: Any) -> Deferred[None] | None:
            set_headers(request, NOT_STORED)
            self.admission.admit_operator(head_of(request))
            return handler(request, **names)

        return checked

    def _for_tools(self, handler: _Handler) -> _Handler:
        """Check that the client's key may use tools over MCP."""

        def checked(request: Any, **names: Any) -> Deferred[None] | None:
            self.admission.check_endpoint(head_of(request), "mcp")
            return handler(request, **names)

        return checked

    def _not_through_tunnel(self, handler: _Handler) -> _Handler:
        """Refuse a page to the tunnel whatever the path was: it may have been corrected."""

        def checked(request: Any, **names: Any) -> Deferred[None] | None:
            if head_of(request).tunnel is not None:
                raise NotFoundError("The dashboard is not available through a tunnel.")
            return handler(request, **names)

        return checked

    def _failed(self, failure: Failure, request: Any, head: RequestHead) -> Deferred[None] | None:
        failure = first_failure(failure)
        if is_closed(request):
            if not failure.check(CancelledError, GatewayError):
                self.log.failure("{where} failed", failure=failure, where=head.where)
            return None
        error = self.admission.errors.error_for(failure, head.where)
        if request.startedWriting:
            return abort_connection(request)
        clock = request.channel.site.reactor
        error, delay = self.admission.key_throttle.throttle(error, head.client, clock.seconds())
        head.quiet = isinstance(error, TooManyWrongKeysError)
        if delay:
            late = deferLater(clock, delay, lambda: None)
            request.running = late
            # one that is cancelled is refused at once, unless the client is gone
            return late.addBoth(lambda _: self._refuse(error, request, head))
        return self._refuse(error, request, head)

    def _refuse(
        self, error: GatewayError, request: Any, head: RequestHead
    ) -> Deferred[None] | None:
        if self._pages is None or is_closed(request) or not is_dashboard(head.path):
            self._write_error(error, request, head)
            return None
        shown = self._pages.render_error(error, head).addCallback(write_reply, request)
        request.running = shown
        return shown.addErrback(self._not_shown, error, request, head)

    def _not_shown(
        self, failure: Failure, error: GatewayError, request: Any, head: RequestHead
    ) -> None:
        """Write an error whose page could not be made, unless the client is gone."""
        if not failure.check(CancelledError):
            self.log.failure("{where} has no error page", failure=failure, where=head.where)
        self._write_error(error, request, head)

    def _write_error(self, error: GatewayError, request: Any, head: RequestHead) -> None:
        if not is_closed(request):
            protocol = self.admission.errors.protocol_for(head.path, head.headers, head.keys)
            write_whole(request, self.admission.errors.render(error, head.id, protocol))

    def _backstop(self, request: Any, failure: Failure) -> Deferred[None] | None:
        head = head_of(request)
        set_common_headers(request, head)
        return self._failed(failure, request, head)

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

    # -- the protocols --

    def _serve(self, route: SharedRoute, request: Any, **arguments: str) -> Deferred[None]:
        """Pass the request to the exchange."""
        head: RequestHead = request.head
        # In tests of routes it may be one of Twisted's connections.
        is_own, limits = isinstance(request, GatewayRequest), self.admission.limits
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
            self.admission.base_url(head, request.isSecure()),
            parameters=head.parameters() if head.args else (),
            arrived=request.started_at if is_own else None,
            take_record=head.take_record if is_own and limits.access_log else None,
        )
        return self._exchange.handle(candidate.protocol, call).addCallback(write_reply, request)

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
            return self._upgrade(request, head)
        match = self._table.correct(head.method, head.path)
        head.protocol = match.protocol
        corrected = f"{head.path[:200]} -> {match.path[:200]}"
        set_headers(request, (("X-Path-Corrected", corrected),))
        return partial(self._endpoints[match.endpoint], request, **match.arguments)

    def _upgrade(self, request: Any, head: RequestHead) -> Callable[[], None]:
        """Return what speaks the protocol over WebSocket whose requests are posted to this path.

        :raises UpgradeRequiredError: if that is switched off, or there is none.
        """
        candidate = self._socket_route(head)
        settings = self.admission.limits.websocket
        if not settings.enabled or candidate is None:
            raise UpgradeRequiredError(
                "WebSocket is not served here; POST the same request over HTTP instead.",
                code="websocket_not_supported",
            )
        from antigravity.web.websocket.upgrade import upgrade

        return partial(upgrade, request, candidate.protocol, candidate.route, self._exchange)

    def _socket_route(self, head: RequestHead) -> Candidate | None:
        """Return the route for messages over WebSocket: the one for the same requests by POST."""
        routes = {route.endpoint: route for route in self._routes}
        for endpoint, protocol in self._table.post_endpoints(head.path):
            if endpoint in routes:
                candidate = routes[endpoint].choose(head.headers, head.keys, protocol)
                if candidate.protocol.traits.socket_session is not None:
                    return candidate
        return None
