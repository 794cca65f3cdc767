"""Admission: which requests may be processed, and how large they may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from antigravity.config.ip_networks import UNIX_PROXY
from antigravity.config.settings import Settings, WebSocketSettings
from antigravity.interfaces.keys import Endpoint, IKeyRing
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.errors import GatewayError, InvalidRequestError, NotFoundError
from antigravity.logs import make_logger
from antigravity.web.authentication import MCP_PATH, Authenticator, is_dashboard
from antigravity.web.errors import ErrorRenderer
from antigravity.web.host_policy import HostPolicy
from antigravity.web.key_throttle import KeyThrottle
from antigravity.web.request_head import RequestHead
from antigravity.web.trusted_proxies import TrustedProxies

#: Most bytes of a body without a key, in a mode in which most requests need one.
_KEYLESS_BODY = 64 * 1024


class ConnectionSettings(Struct, frozen=True):
    """The limits of a connection, in bytes and seconds; 0 disables one."""

    max_body_bytes: int
    body_timeout: float
    idle_timeout: float
    access_log: bool
    websocket: WebSocketSettings


class AdmissionPolicy:
    """The checks that every request must pass.

    :meth:`configure` replaces all that depends on the settings at once, so that a request is
    checked against one snapshot.
    """

    log = make_logger()

    def __init__(
        self,
        protocols: Sequence[IServerProtocol],
        settings: Settings,
        hostname: str = "",
        ring: IKeyRing | None = None,
    ) -> None:
        self._ring = ring
        self.errors = ErrorRenderer(protocols)
        self.key_throttle = KeyThrottle()
        #: Called with the code or the class of an error for each request that is refused.
        self.on_refusal: Callable[[str], None] = lambda kind: None
        self._hostname = hostname
        #: The header that shows a proxy which is not trusted, ``""`` once that was logged.
        self._watched_header = ""
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Apply ``settings`` from the next request on."""
        proxy = settings.proxy
        authenticator = Authenticator(proxy, self._ring)
        problem = authenticator.problem()
        if problem:
            self.log.warn("{problem}", problem=problem)
        self.proxies = TrustedProxies(proxy) if proxy.trusted_proxies else None
        self._watched_header = proxy.forwarded_header.lower()
        self._rules = authenticator, HostPolicy(proxy, self._hostname)
        self.limits = ConnectionSettings(
            max_body_bytes=proxy.max_body_bytes,
            body_timeout=proxy.body_timeout,
            idle_timeout=proxy.idle_timeout,
            access_log=settings.log.access,
            websocket=settings.websocket,
        )

    def admit(self, head: RequestHead) -> None:
        """Check a request and set its principal.

        :raises GatewayError: if it is refused, with the remedy.
        """
        try:
            self._check(head)
        except GatewayError as error:
            self.count_refusal(error)
            raise
        head.admitted = True
        if self._watched_header in head.headers and head.forwarded is None and head.tunnel is None:
            self._report_proxy(head)

    def _report_proxy(self, head: RequestHead) -> None:
        """Log once that an admitted request comes from a proxy that is not trusted.

        It may be a client that has sent the header: what the header says is not logged.
        """
        self.log.info(
            "a request came through a proxy at {address} ({header}): if this is your proxy, name "
            "it in proxy.trusted_proxies, so that the gateway can tell its clients apart",
            address=UNIX_PROXY if head.peer == "local" else head.peer,
            header=self._watched_header,
        )
        self._watched_header = ""

    def count_refusal(self, error: GatewayError) -> None:
        """Count a request that is refused and therefore has no record."""
        self.on_refusal(error.code or type(error).__name__)

    def _check(self, head: RequestHead) -> None:
        if head.fault:
            raise InvalidRequestError(head.fault)
        authenticator, host_policy = self._rules
        if head.tunnel is not None:
            head.tunnel.check_path(head.path)
        if head.tunnel is None or not head.tunnel.is_tunnel_host(head.host):
            host_policy.check_host(head.host)
        if head.origin is not None and is_dashboard(head.path):
            host_policy.check_own_origin(head.origin, head.host)
        else:
            head.allowed_origin = host_policy.check_origin(head.origin)
        is_mcp = head.path.rstrip("/") == MCP_PATH
        if is_mcp and head.tunnel is None:
            head.principal = authenticator.operator(head.all_keys())
            if head.principal:
                return
        head.principal = authenticator.authenticate(
            head.method, head.path, head.all_keys(), head.address
        )
        if is_mcp:
            for name in authenticator.unknown_keys(head.principal, head.all_keys()):
                self.key_throttle.admit_unknown(name, head.client)

    def admit_plugin(self, head: RequestHead) -> None:
        """Check the key of a request for a plugin's route, which has no session to check.

        :raises AuthenticationError: if the route is below the dashboard's path, and no valid key
            was sent.
        :raises PermissionDeniedError: if the key may not use the routes of plugins.
        """
        if is_dashboard(head.path):
            authenticator, _ = self._rules
            head.principal = authenticator.authenticate(
                head.method, "", head.all_keys(), head.address
            )
        self.check_endpoint(head, "plugins")

    def check_endpoint(self, head: RequestHead, endpoint: Endpoint) -> None:
        """Check that the key of an admitted request may use an endpoint.

        :raises PermissionDeniedError: if it may not.
        """
        if self._ring is not None:
            self._ring.check_endpoint(head.principal, endpoint)

    def body_limit(self, head: RequestHead) -> int:
        """Return the most bytes of the body of an admitted request; 0 is no limit.

        Requests without a key are small where others need one.
        """
        most = self.limits.max_body_bytes
        if head.principal or self._rules[0].mode == "off":
            return most
        return min(most, _KEYLESS_BODY) if most else _KEYLESS_BODY

    def base_url(self, head: RequestHead, secure: bool) -> str:
        """Return the base URL that the client used, without a final slash."""
        return self._rules[1].base_url(head.host, head.forwarded, secure)

    def admit_operator(self, head: RequestHead) -> None:
        """Check that a request has the rights of the operator, however its path is spelt.

        :raises AuthenticationError: if it lacks the administration's key.
        :raises NotFoundError: if it came through the tunnel.
        """
        if head.tunnel is not None:
            raise NotFoundError("The administration is not available through a tunnel.")
        authenticator, _ = self._rules
        head.principal = authenticator.administrator(head.all_keys())
