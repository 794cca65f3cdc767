"""The paths of the dashboard.  What makes its pages is imported with the first request for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.config.settings import ProxySettings
from antigravity.dashboard.sessions import LINK_AGE, Sessions
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.dashboard import DashboardPage
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.ledger import ILedger
from antigravity.ir.errors import GatewayError
from antigravity.web.authentication import DASHBOARD_PATH, Authenticator
from antigravity.web.host_policy import HostPolicy
from antigravity.web.request_head import RequestHead

if TYPE_CHECKING:
    from antigravity.dashboard.live import LiveStream
    from antigravity.dashboard.site import DashboardSite
    from antigravity.web.pages import Handler, Paths

_SHOWN: Final = ("GET", "HEAD")
#: Every path below :data:`DASHBOARD_PATH`: its methods, and the method of the site that serves it.
_PATHS: Final = {
    "": (_SHOWN, "now"),
    "/now": (_SHOWN, "now_panel"),
    "/link": (("GET",), "use_link"),
    "/sign-in": (("POST",), "sign_in"),
    "/sign-out": (("POST",), "sign_out"),
    "/requests": (_SHOWN, "requests"),
    "/requests/new": (_SHOWN, "new_requests"),
    "/export": (("GET",), "export"),
    "/requests/<request_id>": (_SHOWN, "request"),
    "/requests/<request_id>/replay": (("POST",), "replay_request"),
    "/requests/<request_id>/cancel": (("POST",), "cancel_request"),
    "/usage": (_SHOWN, "usage"),
    "/accounts": (_SHOWN, "accounts"),
    "/accounts/add": ((*_SHOWN, "POST"), "add_account"),
    "/accounts/fix": (("POST",), "fix_account"),
    "/accounts/refresh": (("POST",), "refresh_accounts"),
    "/logins": (("POST",), "log_in"),
    "/logins/<login>": (("POST",), "finish_login"),
    "/accounts/<account>/remove": ((*_SHOWN, "POST"), "remove_account"),
    "/accounts/<account>/<action>": (("POST",), "change_account"),
    "/logged-in": (("GET",), "logged_in"),
    "/models": (_SHOWN, "models"),
    "/connect": (_SHOWN, "connect"),
    "/connect/<client>/<action>": (("POST",), "change_connection"),
    "/keys": (_SHOWN, "keys"),
    "/keys/add": ((*_SHOWN, "POST"), "add_key"),
    "/keys/<key>/edit": ((*_SHOWN, "POST"), "edit_key"),
    "/keys/<key>/remove": ((*_SHOWN, "POST"), "remove_key"),
    "/keys/<key>/<action>": (("POST",), "change_key"),
    "/lab": (_SHOWN, "lab"),
    "/lab/try": (("POST",), "try_request"),
    "/models/try": (("POST",), "try_rules"),
    "/models/rules": (("POST",), "change_rules"),
    "/system": (_SHOWN, "system"),
    "/system/doctor": (("POST",), "examine"),
    "/tunnel/start": (("POST",), "start_tunnel"),
    "/tunnel/stop": (("POST",), "stop_tunnel"),
    "/configuration": (_SHOWN, "configuration"),
    "/configuration/check": (("POST",), "check_configuration"),
    "/configuration/save": (("POST",), "save_configuration"),
    "/plugins/<page>": (_SHOWN, "plugin_page"),
    "/plugins/<page>/<action>": (("POST",), "plugin_action"),
    "/live": (("GET",), "live"),
    "/static/<digest>/<name>": (_SHOWN, "static"),
}


class DashboardLink(Struct, frozen=True):
    """A path that opens the dashboard once; ``expires_in`` is in seconds."""

    path: str
    expires_in: float


class PluginPage(Struct, frozen=True):
    """A page, and the plugin that has registered it."""

    plugin: str
    page: DashboardPage


class DashboardState:
    """What outlives a configuration: sessions, and the streams of live pages.

    :param clock: the reactor.
    """

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.sessions = Sessions(clock.seconds)
        self.streams: set[LiveStream] = set()

    def use(self, principal: str) -> None:
        """End the sessions of other admin keys than the one with this ``principal``."""
        self.sessions.end_others(principal)
        self.check_streams()

    def check_streams(self) -> None:
        """End the streams whose sessions have ended."""
        for stream in tuple(self.streams):
            stream.check()

    def stop(self) -> None:
        """End all streams, because the gateway stops or the dashboard is switched off."""
        for stream in tuple(self.streams):
            stream.end()


class DashboardRoutes:
    """The routes of the dashboard over one configuration, which ends sessions of other keys."""

    def __init__(
        self,
        state: DashboardState,
        proxy: ProxySettings,
        administration: IAdministration,
        ledger: ILedger,
        plugin_pages: Mapping[str, PluginPage] = {},
    ) -> None:
        self._state = state
        self._authenticator = Authenticator(proxy)
        self._host_policy = HostPolicy(proxy)
        self._administration = administration
        self._ledger = ledger
        self._plugin_pages = plugin_pages
        self._made: DashboardSite | None = None
        state.use(self._authenticator.administrator_principal)

    def paths(self) -> Paths:
        """Return every path of a page with its methods and handler."""
        return {
            f"{DASHBOARD_PATH}{path}": (methods, self._handler(name))
            for path, (methods, name) in _PATHS.items()
        }

    def admin_routes(self) -> Iterator[AdminRoute]:
        """Yield the route of the admin API that makes links."""
        yield AdminRoute(
            method="POST",
            path="/admin/dashboard/link",
            summary="Make a link that opens the dashboard once, without a key.",
            response=DashboardLink,
            handler=self._make_link,
        )

    def render_error(self, error: GatewayError, head: RequestHead) -> Deferred[Reply]:
        """Return a Deferred with the page that shows an error."""
        return self._site().render_error(error, head)

    def _handler(self, name: str) -> Handler:
        def handle(request: Any, **names: Any) -> Deferred[None] | None:
            return self._site().handler(name)(request, **names)

        return handle

    def _site(self) -> DashboardSite:
        if self._made is None:
            from antigravity.dashboard.site import DashboardSite

            self._made = DashboardSite(
                self._state,
                self._authenticator,
                self._host_policy,
                self._administration,
                self._ledger,
                self._plugin_pages,
            )
        return self._made

    def _make_link(self) -> DashboardLink:
        token = self._state.sessions.make_link(self._authenticator.administrator_principal)
        return DashboardLink(f"{DASHBOARD_PATH}/link?token={token}", LINK_AGE)
