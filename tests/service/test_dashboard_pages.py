"""Pages of the dashboard: what they show, and what they need."""

from __future__ import annotations

import re

import treq
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from antigravity.app.gateway import Gateway
from antigravity.interfaces.status import PoolStatus
from antigravity.prices.price_list import PriceRules
from tests.service.account_fixture import MODEL, reactor
from tests.service.dashboard_fixture import DashboardCase

PAGES = ("/dashboard", "/dashboard/requests", "/dashboard/usage", "/dashboard/accounts")
#: A name that would run a script if it was not escaped.
SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class PageTests(DashboardCase):
    async def test_pages_of_idle_gateway_say_what_fills_them(self) -> None:
        await self.open()
        self.assertIn("curl http://127.0.0.1", await self.page("/dashboard"))
        self.assertIn("curl http://127.0.0.1", await self.page("/dashboard/requests"))
        self.assertIn("antigravity usage", await self.page("/dashboard/usage"))

    async def test_requests_are_listed_and_opened(self) -> None:
        await self.open()
        await self.ask("hi")
        await self.ask("hi", model="no-such-model")
        listed = await self.page("/dashboard/requests")
        self.assertEqual(listed.count("<tr data-href"), 2)
        self.assertIn("✕ error 404", listed)
        only = await self.page("/dashboard/requests?since=1h&outcome=ok&model=" + MODEL)
        self.assertEqual(only.count("<tr data-href"), 1)
        address = only.partition('data-href="')[2].partition('"')[0]
        one = await self.page(address)
        self.assertIn(MODEL, one)
        self.assertIn("codeassist-0", one)
        self.assertIn("Tokens and cost", one)
        none = await self.page("/dashboard/requests?model=another")
        self.assertIn("No request matches", none)
        missing = await self.fetch("/dashboard/requests/none")
        self.assertEqual(missing.code, 404)
        self.assertIn("The ledger has no request", missing.text)

    async def test_pages_of_the_list_follow_each_other(self) -> None:
        await self.open()
        for _ in range(52):
            await self.ask("hi", model="no-such-model")
        first = await self.page("/dashboard/requests?outcome=error")
        self.assertEqual(first.count("<tr data-href"), 50)
        older = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        self.assertIn("outcome=error", older)
        second = await self.page(older)
        self.assertEqual(second.count("<tr data-href"), 2)
        self.assertNotIn('id="live"', second)

    async def test_usage_is_added_up_by_any_group(self) -> None:
        await self.open()
        await self.ask("hi")
        for by in ("model", "account", "upstream", "client", "client_key"):
            for measure in ("tokens", "cost", "requests"):
                shown = await self.page(f"/dashboard/usage?by={by}&measure={measure}&unit=day")
                self.assertIn("<tfoot>", shown)
        shown = await self.page("/dashboard/usage?since=30d")
        self.assertIn("&#34;periods&#34;", shown)
        self.assertIn(f"/dashboard/requests?since=30d&amp;model={MODEL}", shown)

    async def test_unpriced_requests_are_named(self) -> None:
        await self.open()
        assert self.gateway is not None
        self.gateway.ledger.pricer.use(PriceRules())  # no address, so no provider
        await self.ask("hi")
        self.assertIn("The price of 1 requests is unknown", await self.page("/dashboard/usage"))
        self.assertIn("1 unpriced", await self.page("/dashboard"))

    async def test_wrong_queries_are_refused_with_their_names(self) -> None:
        await self.open()
        for path in (
            "requests?moon=1",
            "requests?outcome=full",
            "usage?by=moon",
            "usage?zone=Moon",
            "requests?before=-1",
            f"requests?before={2**63}",
            f"requests?after={2**63}",
        ):
            response = await self.fetch(f"/dashboard/{path}")
            self.assertEqual(response.code, 400, path)
            self.assertIn("This page cannot be shown", response.text)

    async def test_page_without_ledger_says_why(self) -> None:
        await self.open()
        assert self.gateway is not None
        await self.gateway.ledger.stop()
        for path in ("/dashboard/requests", "/dashboard/usage"):
            response = await self.fetch(path)
            self.assertEqual(response.code, 503)
            self.assertIn("keeps no ledger", response.text)
        self.assertIn("keeps no ledger", await self.page("/dashboard"))
        self.assertIn("codeassist-0", await self.page("/dashboard/accounts"))

    async def test_names_from_outside_are_escaped(self) -> None:
        await self.open()
        response = await treq.post(
            f"{self.address}/v1/chat/completions",
            json={"model": SCRIPT, "messages": [{"role": "user", "content": SCRIPT}]},
            headers={"User-Agent": SCRIPT},
            persistent=False,
        )
        await response.content()
        listed = await self.page("/dashboard/requests")
        self.assertIn("&lt;script&gt;", listed)
        address = listed.partition('data-href="')[2].partition('"')[0]
        shown = [listed, await self.page(address)]
        shown += [await self.page(path) for path in PAGES]
        shown.append(await self.page("/dashboard/usage?measure=requests"))
        for field in ("model", "text", "client", "session"):
            query = f"?{field}=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
            shown.append(await self.page("/dashboard/requests" + query))
        shown.append(await self.page("/dashboard/accounts?done=%3Cscript%3Ealert(1)%3C/script%3E"))
        shown.append((await self.fetch("/dashboard/requests/%3Cscript%3E")).text)
        for text in shown:
            self.assertNotIn("<script>", text)
            self.assertNotIn("<img", text)

    async def test_account_labels_are_escaped(self) -> None:
        from antigravity.accounts.records import AccountRecord
        from antigravity.config.secret import Secret

        await self.open()
        await self.stop()
        self.files.save(
            AccountRecord("codeassist-9", "codeassist", Secret("s"), label="<script>x", created=9.0)
        )
        await self.run_gateway()
        await self.sign_in()
        self.assertIn("&lt;script&gt;x", await self.page("/dashboard/accounts"))

    async def test_account_is_fixed_and_chosen_automatically_again(self) -> None:
        await self.open("one", "two")
        csrf = await self.csrf()
        fix = "/dashboard/accounts/fix"
        done = await self.fetch(fix, "POST", {"account": "codeassist-1", "csrf": csrf})
        self.assertEqual(done.code, 303)
        self.assertEqual(self.pool_status().fixed, "codeassist-1")
        self.assertIn("Choose automatically", await self.page("/dashboard/accounts"))
        await self.fetch(fix, "POST", {"account": "", "csrf": csrf})
        self.assertIsNone(self.pool_status().fixed)
        unknown = await self.fetch(fix, "POST", {"account": "none", "csrf": csrf})
        self.assertEqual(unknown.code, 404)

    async def test_locked_account_is_shown_with_its_reason_and_unlocked(self) -> None:
        await self.open()
        await self.ask("[[error 429 retry=3600s times=1]] hello")
        self.assertNotEqual(self.pool_status().locks, [])
        shown = await self.page("/dashboard/accounts")
        self.assertIn("free in", shown)
        form = {"csrf": await self.csrf(), "model": ""}
        done = await self.fetch("/dashboard/accounts/codeassist-0/unlock", "POST", form)
        self.assertEqual(done.code, 303)
        self.assertEqual(self.pool_status().locks, [])
        self.assertIn("locks ended", await self.page(done.header("location")))

    async def test_account_whose_credential_is_refused_needs_attention(self) -> None:
        await self.open()
        self.assertIn("No account needs attention", await self.page("/dashboard/now"))
        await self.ask("[[error 403 times=1]] hello")
        self.assertEqual([each.reason for each in self.pool_status().locks], ["credential"])
        self.assertIn("refused its credential", await self.page("/dashboard/now"))
        self.assertIn("■ locked", await self.page("/dashboard/accounts"))

    async def test_demo_says_that_everything_is_simulated(self) -> None:
        await self.open()
        self.assertNotIn("DEMO", await self.page("/dashboard"))
        await self.stop()
        self.gateway = Gateway(reactor, self.settings, self.home, self.plugins, demo=True)
        await self.gateway.startService()
        await self.sign_in()
        self.assertIn("DEMO", await self.page("/dashboard"))

    async def test_requests_of_a_page_are_exported(self) -> None:
        await self.open()
        await self.ask("hi")
        await self.ask("hi", model="no-such-model")
        for page in ("requests?outcome=error", "usage?since=7d"):
            shown = await self.page(f"/dashboard/{page}")
            found = re.search(r'href="(/dashboard/export[^"]+format=csv)"', shown)
            assert found is not None
            exported = await self.fetch(found[1].replace("&amp;", "&"))
            self.assertEqual(exported.code, 200, exported.text)
            self.assertIn("attachment", exported.header("content-disposition"))
            self.assertEqual(exported.header("cache-control"), "no-store")
            self.assertIn("no-such-model", exported.text)
            self.assertEqual("codeassist-0" in exported.text, page.startswith("usage"))
        self.assertEqual((await self.fetch("/dashboard/export?moon=1")).code, 400)
        self.assertEqual((await self.fetch(f"/dashboard/requests?text={'a' * 60_000}")).code, 400)
        self.cookie = ""
        self.assertEqual((await self.fetch("/dashboard/export")).code, 401)

    async def test_heat_map_is_shown_for_a_week_and_more(self) -> None:
        await self.open()
        await self.ask("hi")
        self.assertNotIn('class="heat"', await self.page("/dashboard/usage?since=24h"))
        for since in ("7d", "365d"):
            shown = await self.page(f"/dashboard/usage?since={since}&measure=requests")
            self.assertEqual(shown.count('class="h8"'), 1)

    async def test_no_page_is_larger_than_150_kilobytes_with_everything(self) -> None:
        await self.open()
        for _ in range(60):
            await self.ask("hi", model="no-such-model")
        pages = ("", "/requests", "/usage?since=30d", "/accounts", "/accounts/add", "/system")
        for path in pages:
            shown = await self.page(f"/dashboard{path}")
            size = len(shown.encode())
            for file in sorted(set(re.findall(r'(?:src|href)="(/dashboard/static/[^"]+)"', shown))):
                size += len((await self.fetch(file)).text.encode())
            self.assertLess(size, 150_000, path)

    def pool_status(self) -> PoolStatus:
        assert self.gateway is not None
        return self.gateway.accounts.pool.status()

    async def test_running_requests_with_one_id_have_buttons_of_their_own(self) -> None:
        await self.open()
        asked = [
            Deferred.fromCoroutine(self.post("[[chunks 50]] [[delay 1]] [[say one two]]"))
            for _ in range(2)
        ]
        assert self.gateway is not None
        assert self.gateway.parts is not None
        while len(records := self.gateway.parts.exchange.running()) < 2:
            await deferLater(reactor, 0.01)
        records[0].id = records[1].id
        shown = await self.page("/dashboard/now")
        ids = re.findall(r' id="([^"]+)"', shown)
        self.assertEqual(len(ids), len(set(ids)))
        actions = re.findall(r'action="(/dashboard/requests/[^"]+/cancel)"', shown)
        self.assertEqual(len(set(actions)), 2)
        for left, action in zip((1, 0), actions, strict=True):
            await self.fetch(action, "POST", {"csrf": await self.csrf()})
            self.assertEqual(len(self.gateway.parts.exchange.running()), left)
        self.assertEqual([(await each).code for each in asked], [499, 499])

    async def test_running_request_is_shown_and_cancelled(self) -> None:
        await self.open()
        asking = self.post("[[chunks 50]] [[delay 1]] [[say one two three four]]")
        asked = Deferred.fromCoroutine(asking)
        assert self.gateway is not None
        while not self.gateway.drain.active:
            await deferLater(reactor, 0.01)
        shown = await self.page("/dashboard/now")
        found = re.search(r'action="(/dashboard/requests/[^"]+/cancel)"', shown)
        assert found is not None
        self.assertIn(MODEL, shown)
        refused = await self.fetch(found[1], "POST", {"csrf": "x"})
        self.assertEqual(refused.code, 403)
        done = await self.fetch(found[1], "POST", {"csrf": await self.csrf()})
        self.assertEqual(done.code, 303, done.text)
        self.assertIn("is cancelled.", await self.page(done.header("location")))
        self.assertEqual((await asked).code, 499)
        self.assertIn("No request is running", await self.page("/dashboard/now"))
        again = await self.fetch(found[1], "POST", {"csrf": await self.csrf()})
        self.assertEqual(again.code, 404)
        self.assertIn("◌ cancelled", await self.page("/dashboard/requests"))
