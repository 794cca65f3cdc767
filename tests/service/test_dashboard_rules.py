"""The changes of the dashboard follow the rules of the admin API."""

from __future__ import annotations

from antigravity.dashboard.account_actions import _ACTIONS as ACCOUNT_ACTIONS
from antigravity.dashboard.admin_requests import ADMIN_REQUESTS, LOCAL_ONLY, admin_request
from antigravity.dashboard.connect_page import _ACTIONS as CONNECT_ACTIONS
from antigravity.dashboard.key_actions import _ACTIONS as KEY_ACTIONS
from antigravity.dashboard.routes import _PATHS
from antigravity.dashboard.tools import CHANGES
from tests.service.dashboard_fixture import DashboardCase

ACTIONS = {
    "change_account": tuple(ACCOUNT_ACTIONS),
    "change_key": tuple(KEY_ACTIONS),
    "change_connection": ("preview", *CONNECT_ACTIONS),
}
#: What is no change of the gateway: it has no request in the admin API.
OWN = {"sign_in", "sign_out", "plugin_action"}


class RuleTests(DashboardCase):
    def names(self) -> list[tuple[str, str]]:
        """Return all changes, those with actions in their path once for each."""
        return [(name, action) for name in CHANGES for action in ACTIONS.get(name, ("",))]

    async def test_every_change_is_a_request_of_the_admin_api(self) -> None:
        await self.open()
        assert self.gateway is not None
        parts = self.gateway.parts
        assert parts is not None
        routes = parts.front_end.build_app(parts.runtime).admin.routes
        declared = {f"{each.method} {each.path}": each for each in routes}
        used = {admin_request(*each) for each in self.names()}
        self.assertEqual(used, set(ADMIN_REQUESTS.values()))
        self.assertEqual(used - set(declared), set())
        local = {name for name, each in declared.items() if each.local_only}
        self.assertEqual(LOCAL_ONLY, local & used)
        self.assertEqual(local - used, {"GET /admin/connections"})  # the page asks for it itself

    async def test_every_path_that_changes_something_is_in_the_table(self) -> None:
        changing = {name for methods, name in _PATHS.values() if "POST" in methods}
        self.assertEqual(changing - OWN, set(CHANGES))

    async def test_changes_for_this_machine_are_refused_to_others(self) -> None:
        await self.open()
        paths = {name: path for path, (_, name) in _PATHS.items()}
        form = {"csrf": await self.csrf()}
        for name, action in self.names():
            path = paths[name].replace("<action>", action)
            for each in ("account", "key", "client", "request_id", "login"):
                path = path.replace(f"<{each}>", "none")
            if admin_request(name, action) not in LOCAL_ONLY:
                continue
            for cookie, status in ((self.cookie, 403), ("", 401)):
                sent = await self.fetch(
                    f"/dashboard{path}", "POST", form, X_Forwarded_For="203.0.113.7", Cookie=cookie
                )
                self.assertEqual(sent.code, status, (path, sent.text))

    async def test_button_to_warm_up_is_shown_on_this_machine_only(self) -> None:
        await self.open()
        assert self.gateway is not None
        form = {"csrf": await self.csrf()}
        await self.fetch("/dashboard/accounts/codeassist-0/refresh", "POST", form)
        self.assertIn("/warm-up", await self.page("/dashboard/accounts"))
        remote = await self.fetch("/dashboard/accounts", X_Forwarded_For="203.0.113.7")
        self.assertEqual(remote.code, 200)
        self.assertNotIn("/warm-up", remote.text)
