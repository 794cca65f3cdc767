"""The page of the accounts: what it shows, and every change that it can make."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import treq
from msgspec.structs import replace

from antigravity.accounts.records import AccountRecord
from antigravity.app.gateway import Gateway
from antigravity.config.secret import Secret
from antigravity.config.settings import UpstreamSettings
from tests.service.account_fixture import MODEL, reactor
from tests.service.dashboard_fixture import DashboardCase, Response

SCRIPT = '"><script>alert(1)</script>'
GOOD_KEY = "AIza" + "k" * 35


class AccountPageTests(DashboardCase):
    """Changes accounts as a browser without scripts does."""

    async def change(self, path: str, **form: str) -> Response:
        """Return the response to a form of the page."""
        form["csrf"] = await self.csrf()
        response: Response = await self.fetch(f"/dashboard/{path}", "POST", form)
        return response

    async def changed(self, path: str, **form: str) -> str:
        """Return the page after a change, which has to succeed."""
        done = await self.change(path, **form)
        self.assertEqual(done.code, 303, done.text)
        return unescape(await self.page(done.header("location")))

    def ids(self) -> list[str]:
        assert self.gateway is not None
        return [each.id for each in self.gateway.accounts.pool.status().accounts]

    async def test_account_is_disabled_and_enabled(self) -> None:
        await self.open("one", "two")
        shown = await self.changed("accounts/codeassist-0/disable", reason="holidays")
        self.assertIn("codeassist-0 is disabled.", shown)
        self.assertIn("○ disabled", shown)
        self.assertIn("holidays", shown)
        self.assertEqual(self.ids(), ["codeassist-1"])
        self.assertFalse(self.files.find("codeassist-0").enabled)
        shown = await self.changed("accounts/codeassist-0/disable", reason="again")
        self.assertIn("again", shown)
        shown = await self.changed("accounts/codeassist-0/enable")
        self.assertIn("codeassist-0 is enabled", shown)
        self.assertNotIn("○ disabled", shown)
        self.assertEqual(self.ids(), ["codeassist-0", "codeassist-1"])

    async def test_notice_is_shown_once(self) -> None:
        await self.open()
        self.assertIn("is disabled.", await self.changed("accounts/codeassist-0/disable"))
        self.assertNotIn("is disabled.", await self.page("/dashboard/accounts"))

    async def test_disabled_account_serves_no_request(self) -> None:
        await self.open()
        self.assertEqual(await self.ask(), 200)
        await self.changed("accounts/codeassist-0/disable")
        self.assertEqual(await self.ask(), 503)

    async def test_account_is_disabled_although_configuration_is_broken(self) -> None:
        await self.open("one", "two")
        assert self.gateway is not None
        self.gateway._configure = None  # it then reads nothing again
        shown = await self.changed("accounts/codeassist-0/disable")
        self.assertIn("is disabled", shown)
        self.assertEqual(self.ids(), ["codeassist-1"])

    async def test_account_is_removed_after_a_question(self) -> None:
        await self.open("one", "two")
        asked = await self.page("/dashboard/accounts/codeassist-0/remove")
        self.assertIn("Remove codeassist-0?", asked)
        self.assertEqual(self.ids(), ["codeassist-0", "codeassist-1"])
        shown = await self.changed("accounts/codeassist-0/remove")
        self.assertIn("codeassist-0 is removed.", shown)
        self.assertEqual(self.ids(), ["codeassist-1"])
        self.assertFalse(self.files.has("codeassist-0"))
        again = await self.change("accounts/codeassist-0/remove")
        self.assertEqual(again.code, 404)
        self.assertEqual((await self.fetch("/dashboard/accounts/none/remove")).code, 404)

    async def test_credential_of_configuration_is_not_changed(self) -> None:
        await self.open()
        key = UpstreamSettings("openai", base_url="http://127.0.0.1:9", api_key=Secret("sk-a"))
        upstreams = {**self.settings.upstreams, "mine": key}
        self.settings = replace(self.settings, upstreams=upstreams)
        await self.stop()
        await self.run_gateway()
        await self.sign_in()
        shown = await self.page("/dashboard/accounts")
        self.assertIn("in the configuration", shown)
        identifier = next(each for each in self.ids() if each.startswith("mine-"))
        for action in ("disable", "remove"):
            done = await self.change(f"accounts/{identifier}/{action}")
            self.assertEqual(done.code, 409)
            self.assertIn("Change it there", done.text)

    async def test_key_is_checked_and_added(self) -> None:
        await self.open()
        upstreams = {
            **self.settings.upstreams,
            "gemini_api": UpstreamSettings("gemini_api", base_url=self.base_url()),
        }
        self.settings = replace(self.settings, upstreams=upstreams)
        await self.stop()
        await self.run_gateway()
        await self.sign_in()
        self.assertIn("Gemini API key", await self.page("/dashboard/accounts/add"))
        shown = await self.changed("accounts/add", kind="gemini_api", secret=GOOD_KEY, label=SCRIPT)
        self.assertIn("Its upstream accepts it.", shown)
        added = next(each for each in self.ids() if each.startswith("gemini_api-"))
        record = self.files.find(added)
        self.assertEqual(record.secret.reveal(), GOOD_KEY)
        self.assertEqual(record.label, SCRIPT)
        path = self.files.directory / f"{added}.json"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        raw = await self.page("/dashboard/accounts")
        self.assertNotIn("<script>alert", raw)
        self.assertNotIn(GOOD_KEY, raw)
        again = await self.changed("accounts/add", kind="gemini_api", secret=GOOD_KEY)
        self.assertIn("was known; nothing has changed", again)

    async def test_refused_token_is_not_saved_unless_wanted(self) -> None:
        await self.open()
        form = {"kind": "codeassist", "secret": "revoked-token", "label": SCRIPT}
        refused = await self.change("accounts/add", **form)
        self.assertEqual(refused.code, 400, refused.text)
        self.assertIn("The account is not saved", refused.text)
        self.assertIn("Add it although", refused.text)
        self.assertNotIn("revoked-token", refused.text)
        self.assertNotIn("<script>alert", refused.text)
        self.assertEqual(len(self.files.load()[0]), 1)
        shown = await self.changed("accounts/add", unchecked="yes", **form)
        self.assertIn("is added for codeassist", shown)
        self.assertEqual(len(self.files.load()[0]), 2)

    async def test_wrong_forms_say_what_is_wrong(self) -> None:
        await self.open()
        for form, reason in (
            ({"kind": "gemini", "secret": "x"}, "did you mean"),
            ({"kind": "openai", "secret": ""}, "is empty"),
            ({"kind": "openai", "secret": "a", "base_url": "nonsense"}, "base_url"),
            ({"kind": "openai", "secret": "a", "upstream": "codeassist"}, "is of kind"),
        ):
            done = await self.change("accounts/add", **form)
            self.assertEqual(done.code, 400, done.text)
            self.assertIn(reason, unescape(done.text))

    async def test_key_of_unreachable_upstream_is_added_with_a_warning(self) -> None:
        await self.open()
        port = reactor.listenTCP(0, treq_nothing(), interface="127.0.0.1")
        address = f"http://127.0.0.1:{port.getHost().port}"
        await port.stopListening()
        shown = await self.changed(
            "accounts/add", kind="openai", secret="sk-x", base_url=address, upstream="mine"
        )
        self.assertIn("is added for mine", shown)
        self.assertIn("It was not checked", shown)

    async def test_accounts_are_checked_and_quotas_fetched(self) -> None:
        await self.open("one", "two")
        shown = await self.changed("accounts/codeassist-0/refresh")
        self.assertIn("1 of 1 accounts work.", shown)
        self.assertIn("<meter", shown)
        self.assertIn("2 of 2 accounts work.", await self.changed("accounts/refresh"))

    async def test_account_whose_login_was_revoked_does_not_work(self) -> None:
        await self.open("one", "revoked-token")
        shown = await self.changed("accounts/codeassist-1/refresh")
        self.assertIn("0 of 1 accounts work.", shown)
        self.assertIn("codeassist-1 does not", shown)

    async def test_disabled_account_is_checked(self) -> None:
        await self.open("one", "two")
        await self.changed("accounts/codeassist-0/disable")
        shown = await self.changed("accounts/codeassist-0/refresh")
        self.assertIn("1 of 1 accounts work.", shown)

    async def test_quotas_are_warmed_up(self) -> None:
        await self.open()
        await self.changed("accounts/codeassist-0/refresh")
        shown = await self.changed("accounts/codeassist-0/warm-up")
        self.assertRegex(shown, r"\d+ of \d+ quotas were warmed up")

    async def test_account_is_added_by_login_in_browser(self) -> None:
        await self.open()
        shown = unescape((await self.change("logins", label="mine")).text)
        found = re.search(r'href="(http[^"]+)" rel="noreferrer', shown)
        assert found is not None
        query = parse_qs(urlsplit(found[1]).query)
        redirect = query["redirect_uri"][0]
        self.assertEqual(redirect, f"{self.address}/dashboard/logged-in")
        foreign = await treq.get(f"{redirect}?state=other&code=c", persistent=False)
        self.assertEqual(foreign.code, 404)
        back = f"{redirect}?state={query['state'][0]}&code=good"
        done = await treq.get(back, persistent=False)
        text = await done.text()
        self.assertEqual(done.code, 200, text)
        self.assertIn("the account mine is added", text)
        self.assertIn("mine", await self.page("/dashboard/accounts"))
        again = await treq.get(back, persistent=False)
        self.assertEqual(again.code, 404)

    async def test_account_is_added_by_pasted_address(self) -> None:
        await self.open()
        shown = unescape((await self.change("logins")).text)
        login = re.search(r'action="/dashboard/logins/([^"]+)"', shown)
        state = re.search(r"state=([^&\"]+)", shown)
        assert login is not None
        assert state is not None
        wrong = await self.change(f"logins/{login[1]}", response="http://127.0.0.1/?state=x&code=c")
        self.assertEqual(wrong.code, 400)
        self.assertIn("another login", wrong.text)
        pasted = f"http://127.0.0.1:1/?state={state[1]}&code=good"
        shown = await self.changed(f"logins/{login[1]}", response=pasted)
        self.assertIn("is added for codeassist", shown)
        self.assertEqual((await self.change(f"logins/{login[1]}", response="x")).code, 404)

    async def test_login_without_client_says_what_is_missing(self) -> None:
        await self.open()
        done = await self.change("logins", upstream="none")
        self.assertEqual(done.code, 409)
        self.assertIn("client_id", done.text)

    async def test_demo_changes_no_accounts(self) -> None:
        await self.open()
        await self.stop()
        self.gateway = Gateway(reactor, self.settings, self.home, self.plugins, demo=True)
        await self.gateway.startService()
        await self.sign_in()
        for path in ("accounts/codeassist-0/disable", "accounts/add", "logins"):
            done = await self.change(path, kind="openai", secret="x")
            self.assertEqual(done.code, 409, path)
            self.assertIn("demo", done.text)

    async def test_changes_need_session_and_its_token(self) -> None:
        await self.open()
        paths = [
            f"/dashboard/{path}"
            for path in (
                "accounts/add",
                "accounts/refresh",
                "accounts/codeassist-0/disable",
                "accounts/codeassist-0/remove",
                "accounts/codeassist-0/warm-up",
                "logins",
                "logins/x",
            )
        ]
        for path in paths:
            self.assertEqual((await self.fetch(path, "POST", {"csrf": "x"})).code, 403, path)
        self.cookie = ""
        for path in paths:
            self.assertEqual((await self.fetch(path, "POST", {"csrf": "x"})).code, 401, path)
        self.assertEqual(len(self.files.load()[0]), 1)

    async def test_unknown_change_is_refused(self) -> None:
        await self.open()
        self.assertEqual((await self.change("accounts/codeassist-0/explode")).code, 404)

    async def test_labels_show_no_whole_address(self) -> None:
        await self.open()
        self.files.save(
            AccountRecord("codeassist-9", "codeassist", Secret("s"), label="somebody@example.org")
        )
        await self.changed("accounts/codeassist-9/enable")
        self.assertNotIn("somebody@", await self.page("/dashboard/accounts"))
        self.assertEqual(await self.ask(model=MODEL), 200)

    async def start(self, *secrets: str, extra: Any = (), **proxy: Any) -> None:
        await super().start(*secrets, extra=extra, **proxy)
        oauth = replace(
            self.settings.upstreams["codeassist"].oauth,
            userinfo_url=f"{self.base_url()}/oauth2/v2/userinfo",
        )
        upstream = replace(self.settings.upstreams["codeassist"], oauth=oauth)
        self.settings = replace(self.settings, upstreams={"codeassist": upstream})
        await self.stop()
        await self.run_gateway()

    def base_url(self) -> str:
        """Return the address of the simulator."""
        return self.settings.upstreams["codeassist"].base_url


def treq_nothing() -> Any:
    """Return a factory that is never used: the port is closed at once."""
    from twisted.internet.protocol import Factory

    return Factory()
