"""The rules of the house: who comes in, by which name, with how much."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from antigravity.config.settings import Settings
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.logs import make_logger
from antigravity.web.authentication import Authenticator
from antigravity.web.errors import ErrorShapes
from antigravity.web.key_throttle import KeyThrottle
from antigravity.web.origins import Origins
from antigravity.web.routing_table import RoutingTable
from antigravity.web.visits import Visit

#: The longest body of a request that needs no key in a mode in which others need one, in bytes.
_KEYLESS_BODY = 64 * 1024


class Limits(Struct, frozen=True):
    """How much and how long, in bytes and seconds; 0 is no limit."""

    max_body_bytes: int
    body_timeout: float
    idle_timeout: float
    access_log: bool


class Door:
    """Admits requests.

    What comes from the settings is swapped as a whole by :meth:`configure`; a request is
    judged by one snapshot of it.
    """

    log = make_logger()

    def __init__(
        self, protocols: Sequence[IServerProtocol], settings: Settings, hostname: str = ""
    ) -> None:
        self.table = RoutingTable(protocols)
        self.errors = ErrorShapes(protocols)
        self.key_throttle = KeyThrottle()
        self._hostname = hostname
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Follow ``settings`` from the next request on."""
        proxy = settings.proxy
        authenticator = Authenticator(proxy)
        problem = authenticator.problem()
        if problem:
            self.log.warn("{problem}", problem=problem)
        self._rules = authenticator, Origins(proxy, self._hostname)
        self.limits = Limits(
            max_body_bytes=proxy.max_body_bytes,
            body_timeout=proxy.body_timeout,
            idle_timeout=proxy.idle_timeout,
            access_log=settings.log.access,
        )

    def admit(self, visit: Visit) -> None:
        """Let ``visit`` in and note who it is; once is enough.

        :raises GatewayError: if it may not come in, with the remedy.
        """
        if visit.admitted:
            return
        if visit.fault:
            raise InvalidRequestError(visit.fault)
        authenticator, origins = self._rules
        if visit.tunnel is not None:
            visit.tunnel.check_path(visit.path)
        if visit.tunnel is None or not visit.tunnel.knows(visit.host):
            origins.check_host(visit.host)
        visit.allowed_origin = origins.check_origin(visit.origin)
        visit.principal = authenticator.authenticate(visit.method, visit.path, visit.all_keys())
        visit.admitted = True

    def body_limit(self, visit: Visit) -> int:
        """Return how large the body of an admitted request may be, in bytes; 0 is no limit.

        Who may come in without a key has little to say.
        """
        most = self.limits.max_body_bytes
        if visit.principal or self._rules[0].mode == "off":
            return most
        return min(most, _KEYLESS_BODY) if most else _KEYLESS_BODY

    def base_url(self, visit: Visit, secure: bool) -> str:
        """Return the address where ``visit`` found the gateway, without a final slash."""
        return self._rules[1].base_url(visit.host, visit.headers, secure)

    def admit_operator(self, visit: Visit) -> None:
        """Let ``visit`` do what the operator may, by whichever spelling of a path it came.

        :raises AuthenticationError: if it did not show the administration's key.
        :raises NotFoundError: if it came through a tunnel.
        """
        if visit.tunnel is not None:
            raise NotFoundError("The administration cannot be reached through a tunnel.")
        authenticator, _ = self._rules
        visit.principal = authenticator.administrator(visit.all_keys())
