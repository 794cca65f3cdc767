"""Who may see the dashboard, and how a browser signs in."""

from __future__ import annotations

from collections.abc import Mapping
from html import unescape
from typing import Any

from click.testing import CliRunner
from msgspec.structs import replace
from twisted.internet.threads import deferToThread
from twisted.python.threadable import isInIOThread

from antigravity.cli.main import antigravity
from antigravity.config.dashboard_settings import DashboardSettings
from antigravity.config.secret import Secret
from antigravity.dashboard import site
from tests.service.dashboard_fixture import ADMIN, DashboardCase

PAGES = ("/dashboard", "/dashboard/requests", "/dashboard/usage", "/dashboard/accounts")
UNLOCK = "/dashboard/accounts/codeassist-0/unlock"


class SignInTests(DashboardCase):
    async def test_pages_need_a_session_even_with_a_key_of_the_api(self) -> None:
        for mode in ("off", "strict"):
            await self.start("one", admin_key=Secret(ADMIN), api_key=Secret("k"), auth_mode=mode)
            for path in PAGES:
                response = await self.fetch(path, Authorization="Bearer k")
                if mode == "strict":
                    self.assertEqual(response.code, 200)
                self.assertIn("Admin key", response.text)
                self.assertNotIn("codeassist-0", response.text)
            for path in ("/dashboard/now", "/dashboard/requests/new", "/dashboard/live"):
                response = await self.fetch(path, HX_Request="true")
                self.assertEqual(response.code, 401)
                self.assertEqual(response.header("hx-redirect"), "/dashboard")
            await self.stop()

    async def test_session_begins_with_admin_key_and_ends_with_sign_out(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        response = await self.sign_in()
        self.assertEqual((response.code, response.header("location")), (303, "/dashboard"))
        cookie = response.header("set-cookie")
        for part in ("HttpOnly", "SameSite=Strict", "Path=/dashboard;", "Max-Age="):
            self.assertIn(part, cookie)
        self.assertNotIn(ADMIN, cookie)
        self.assertIn("Sign out", await self.page("/dashboard"))
        left = await self.fetch("/dashboard/sign-out", "POST", {"csrf": await self.csrf()})
        self.assertIn("Max-Age=0", left.header("set-cookie"))
        self.assertIn("Admin key", await self.page("/dashboard"))

    async def test_cookie_is_secure_behind_tls(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        response = await self.fetch(
            "/dashboard/sign-in", "POST", {"key": ADMIN}, X_Forwarded_Proto="https"
        )
        self.assertIn("; Secure", response.header("set-cookie"))

    async def test_sign_in_leads_to_wanted_page_but_never_elsewhere(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        for to, wanted in (
            ("/dashboard/usage", "/dashboard/usage"),
            ("https://evil.example/", "/dashboard"),
            ("//evil.example/dashboard/usage", "/dashboard"),
            ("/dashboard@evil.example", "/dashboard"),
        ):
            form = {"key": ADMIN, "to": to}
            response = await self.fetch("/dashboard/sign-in", "POST", form)
            self.assertEqual(response.header("location"), wanted)

    async def test_sign_in_leads_to_the_filters_of_a_shared_address(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        shared = "/dashboard/requests?outcome=error&model=a%26b%22"
        page = await self.page(shared)
        to = unescape(page.partition('name="to" value="')[2].partition('"')[0])
        self.assertEqual(to, shared)
        response = await self.fetch("/dashboard/sign-in", "POST", {"key": ADMIN, "to": to})
        self.assertEqual(response.header("location"), shared)

    async def test_example_command_has_public_address(self) -> None:
        await self.open(public_url="https://gateway.example")
        self.assertIn("https://gateway.example/v1", await self.page("/dashboard/requests"))

    async def test_wrong_keys_are_refused_and_counted(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        for key in ("wrong", "sk-" + ADMIN, "wrong again"):
            response = await self.sign_in(key)
            self.assertEqual(response.code, 401)
            self.assertIn('role="alert"', response.text)
            self.assertEqual(response.header("set-cookie"), "")
            self.assertNotIn(key, response.text)
        status = await self.fetch("/admin/status", Authorization=f"Bearer {ADMIN}")
        self.assertIn('"wrong_keys":3', status.text)
        self.assertEqual((await self.sign_in("")).code, 401)

    async def test_dashboard_without_admin_key_says_how_to_set_it(self) -> None:
        await self.start("one")
        self.assertIn("admin_key", await self.page("/dashboard"))
        self.assertEqual((await self.sign_in("")).code, 401)

    async def test_changes_need_token_of_session_and_own_origin(self) -> None:
        await self.open()
        csrf = await self.csrf()
        for form, headers in (
            ({}, {}),
            ({"csrf": "wrong"}, {}),
            ({"csrf": csrf}, {"Origin": "https://evil.example"}),
            ({"csrf": csrf}, {"Origin": "null"}),
            ({"csrf": csrf}, {"Origin": "http://127.0.0.1:1"}),
        ):
            response = await self.fetch(UNLOCK, "POST", form, **headers)
            self.assertEqual(response.code, 403, form)
        self.assertEqual((await self.fetch(UNLOCK, "POST", {"csrf": csrf})).code, 303)
        self.assertEqual((await self.fetch(UNLOCK)).code, 405)
        self.cookie = ""
        self.assertEqual((await self.fetch(UNLOCK, "POST", {"csrf": csrf})).code, 401)

    async def test_allowed_origins_of_clients_may_not_use_pages(self) -> None:
        await self.open(allowed_origins=["*"])
        response = await self.fetch("/dashboard", Origin="https://evil.example")
        self.assertEqual(response.code, 403)
        self.assertEqual(response.header("access-control-allow-origin"), "")

    async def test_link_signs_in_once(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        port = self.address.rpartition(":")[2]
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {port}\nadmin_key = "{ADMIN}"\n'
        )
        arguments = ["dashboard", "--print", "--home", str(self.home)]
        done = await deferToThread(CliRunner().invoke, antigravity, arguments)
        self.assertEqual(done.exit_code, 0, done.output)
        link = done.output.strip()
        self.assertTrue(link.startswith(f"{self.address}/dashboard/link?token="))
        path = link.removeprefix(self.address)
        self.assertEqual((await self.fetch(path, "HEAD")).code, 405)
        response = await self.fetch(path)
        self.assertEqual(response.code, 200)
        self.assertIn('http-equiv="refresh"', response.text)
        self.cookie = response.header("set-cookie").partition(";")[0]
        self.assertIn("Sign out", await self.page("/dashboard"))
        self.cookie = ""
        again = await self.fetch(path)
        self.assertEqual((again.code, again.header("set-cookie")), (401, ""))
        refused = await self.fetch("/admin/dashboard/link", "POST", {})
        self.assertIn(refused.code, (401, 403))

    async def test_other_admin_key_ends_sessions(self) -> None:
        await self.open()
        proxy = replace(self.settings.proxy, admin_key=Secret("sk-another-admin-key"))
        self.settings = replace(self.settings, proxy=proxy)
        assert self.gateway is not None
        await self.gateway.reload()
        self.assertIn("Admin key", await self.page("/dashboard"))

    async def test_switched_off_dashboard_does_not_exist(self) -> None:
        await self.open()
        self.settings = replace(self.settings, dashboard=DashboardSettings(enabled=False))
        assert self.gateway is not None
        await self.gateway.reload()
        for path in (*PAGES, "/dashboard/static/x/dashboard.css"):
            self.assertEqual((await self.fetch(path)).code, 404)

    async def test_every_response_has_a_strict_policy(self) -> None:
        await self.open()
        for path in (*PAGES, "/dashboard/now", "/dashboard/requests/new", "/dashboard/nothing"):
            response = await self.fetch(path)
            policy = response.header("content-security-policy")
            self.assertIn("default-src 'none'", policy, path)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(response.header("cache-control"), "no-store")
            self.assertNotRegex(response.text, r"<script(?! src=)|<style|\son[a-z]+=|style=")

    async def test_templates_are_never_rendered_in_the_reactor(self) -> None:
        await self.open()
        rendered: list[str] = []

        def render(template: str, values: Mapping[str, Any]) -> str:
            self.assertFalse(isInIOThread(), template)
            rendered.append(template)
            return template

        self.patch(site, "render", render)
        for path in (*PAGES, "/dashboard/nothing", "/dashboard/requests/nothing"):
            await self.fetch(path)
        await self.sign_in("wrong")
        self.assertLessEqual({"now.html", "problem.html", "sign_in.html"}, set(rendered))

    async def test_error_is_shown_even_if_its_page_cannot_be_made(self) -> None:
        await self.open()
        self.patch(site, "render", lambda template, values: 1 / 0)
        response = await self.fetch("/dashboard/nothing")
        self.assertEqual(response.code, 404)
        self.assertIn("Not found", response.text)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
