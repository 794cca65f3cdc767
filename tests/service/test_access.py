"""Keys and how they are used, and the setup of clients: the API and its pages."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import treq

from antigravity.config.secret import Secret
from antigravity.connect.clients import CLIENTS
from tests.service.account_fixture import MODEL
from tests.service.dashboard_fixture import ADMIN, DashboardCase

KEY = "sk-key-of-a-client"
SCRIPT = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"


class AccessCase(DashboardCase):
    async def admin(self, path: str) -> Any:
        """Return the JSON of an admin request."""
        response = await self.fetch(path, Authorization=f"Bearer {ADMIN}")
        self.assertEqual(response.code, 200, response.text)
        return json.loads(response.text)

    async def use(self, key: str) -> None:
        """Send a request with a key."""
        response = await treq.post(
            f"{self.address}/v1/chat/completions",
            json={"model": MODEL, "messages": [{"role": "user", "content": "hi"}]},
            headers={"Authorization": f"Bearer {key}"},
            persistent=False,
        )
        await response.content()


class KeyTests(AccessCase):
    async def test_configured_keys_are_listed_with_their_use(self) -> None:
        await self.open(api_key=Secret(KEY), auth_mode="strict")
        await self.use(KEY)
        await self.use(KEY)
        found = await self.admin("/admin/keys")
        self.assertEqual(found["auth_mode"], "strict")
        client, admin = found["keys"]
        self.assertEqual((client["setting"], client["rights"]), ("proxy.api_key", ["models"]))
        self.assertEqual((client["requests"], client["errors"]), (2, 0))
        self.assertGreater(client["tokens"], 0)
        self.assertIn("T", client["last_used"])
        self.assertEqual((admin["setting"], admin["rights"]), ("proxy.admin_key", ["admin"]))
        self.assertEqual((admin["requests"], admin["last_used"]), (0, None))

    async def test_any_key_that_was_sent_is_listed_without_authentication(self) -> None:
        await self.open()
        await self.use("sk-whatever")
        await self.ask("hi")
        keys = (await self.admin("/admin/keys"))["keys"]
        others = [each for each in keys if not each["setting"]]
        self.assertEqual(sorted(bool(each["id"]) for each in others), [False, True])
        self.assertEqual([each["requests"] for each in others], [1, 1])

    async def test_page_never_holds_a_key(self) -> None:
        await self.open(api_key=Secret(KEY), auth_mode="strict")
        await self.use(KEY)
        page = await self.page("/dashboard/keys")
        self.assertIn("proxy.api_key", page)
        self.assertIn("administer the gateway", page)
        name = (await self.admin("/admin/keys"))["keys"][0]["id"]
        self.assertIn(f"/dashboard/requests?client_key={name}", page)
        for text in (page, json.dumps(await self.admin("/admin/keys"))):
            self.assertNotIn(KEY, text)
            self.assertNotIn(ADMIN, text)

    async def test_keys_without_ledger_have_no_numbers_and_say_why(self) -> None:
        await self.open(api_key=Secret(KEY))
        assert self.gateway is not None
        await self.gateway.ledger.stop()
        found = await self.admin("/admin/keys")
        self.assertIn("keeps no ledger", found["problem"])
        self.assertIsNone(found["keys"][0]["requests"])
        self.assertIn("keeps no ledger", await self.page("/dashboard/keys"))


class ClientSetupTests(AccessCase):
    async def test_all_clients_are_set_up_with_address_and_models(self) -> None:
        await self.open()
        found = await self.admin("/admin/clients?address=https://gateway.example")
        self.assertEqual([each["name"] for each in found["clients"]], list(CLIENTS))
        self.assertFalse(found["needs_key"])
        claude = found["clients"][0]
        settings = json.loads(claude["steps"][0]["text"])["env"]
        self.assertEqual(settings["ANTHROPIC_BASE_URL"], "https://gateway.example")
        self.assertNotIn("ANTHROPIC_MODEL", settings)
        self.assertTrue(all("claude" in name for name in claude["models"]))
        codex = next(each for each in found["clients"] if each["name"] == "codex")
        self.assertIn(MODEL, codex["models"])
        self.assertFalse([name for name in codex["models"] if "embedding" in name])
        protocols = (await self.admin("/admin/models"))["protocols"]
        self.assertLessEqual({each["protocol"] for each in found["clients"]}, set(protocols))

    async def test_key_is_a_placeholder_if_one_is_needed(self) -> None:
        await self.open(api_key=Secret(KEY), auth_mode="strict")
        found = await self.admin("/admin/clients?client=aider")
        self.assertTrue(found["needs_key"])
        text = json.dumps(found)
        self.assertIn("YOUR_KEY", text)
        self.assertNotIn(KEY, text)

    async def test_wrong_clients_and_addresses_are_refused(self) -> None:
        await self.open()
        for query, code in (
            ("client=moon", 404),
            ("address=http://a;reboot", 400),
            ("address=" + "x" * 300, 400),
            ("moon=1", 400),
        ):
            path = f"/admin/clients?{query}"
            response = await self.fetch(path, Authorization=f"Bearer {ADMIN}")
            self.assertEqual(response.code, code, path)

    async def test_every_client_has_a_page_with_this_address(self) -> None:
        await self.open()
        first = await self.page("/dashboard/connect")
        for setup in (await self.admin("/admin/clients"))["clients"]:
            address = f"/dashboard/connect?client={setup['name']}"
            page = unescape(await self.page(address))
            self.assertIn(address, first)
            self.assertIn(self.address, page)
            for note in setup["notes"]:
                self.assertIn(note.split("http://")[0], page)

    async def test_pages_escape_what_comes_from_outside(self) -> None:
        await self.open()
        self.assertNotIn(
            "<script>alert", (await self.fetch(f"/dashboard/connect?client={SCRIPT}")).text
        )
        await self.use("<script>alert(1)</script>")
        self.assertNotIn("<script>alert", await self.page("/dashboard/keys"))
