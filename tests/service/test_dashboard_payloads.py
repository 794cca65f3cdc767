"""The page of a request shows what was sent and received, and sends it again."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import treq
from msgspec.structs import replace

from antigravity.config.ledger_settings import LedgerSettings
from tests.service.account_fixture import MODEL
from tests.service.dashboard_fixture import DashboardCase

SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class PayloadPageTests(DashboardCase):
    async def begin(self, payloads: Any = "all") -> None:
        await self.open()
        self.settings = replace(self.settings, ledger=LedgerSettings(payloads=payloads))
        assert self.gateway is not None
        await self.gateway.reload()

    async def newest(self) -> str:
        """Return the address of the newest request."""
        listed = await self.page("/dashboard/requests")
        return listed.partition('data-href="')[2].partition('"')[0]

    async def test_conversation_and_messages_are_shown(self) -> None:
        await self.begin()
        await self.ask("what is this?")
        page = await self.page(await self.newest())
        for text in (
            "Conversation",
            "what is this?",
            "From the client",
            "To the upstream",
            "(attempt 1)",
            "curl -X POST",
            "YOUR_API_KEY",
            "Difference between",
            f'name="model" value="{MODEL}"',
        ):
            self.assertIn(text, page)
        self.assertLess(len(page), 150_000)

    async def test_page_says_why_nothing_is_kept(self) -> None:
        await self.begin("off")
        await self.ask()
        self.assertIn('payloads = "errors"', await self.page(await self.newest()))
        self.settings = replace(self.settings, ledger=LedgerSettings(payloads="errors"))
        assert self.gateway is not None
        await self.gateway.reload()
        await self.ask()
        self.assertIn("only if they fail", await self.page(await self.newest()))

    async def replay(self, address: str, **form: str) -> Any:
        return await self.fetch(f"{address}/replay", "POST", {"csrf": await self.csrf(), **form})

    async def test_request_is_sent_again(self) -> None:
        await self.begin()
        await self.ask("what is this?")
        first = await self.newest()
        done = await self.replay(first, model="gemini-2.5-pro")
        self.assertEqual(done.code, 303)
        second = done.header("location")
        self.assertNotEqual(first, second)
        page = await self.page(second)
        self.assertIn("was sent again: status 200", page)
        self.assertIn("gemini-2.5-pro", page)
        self.assertIn("what is this?", page)
        self.assertIn(f"replay:{unquote(first.rpartition('/')[2])}", page)

    async def test_requests_with_one_id_have_pages_of_their_own(self) -> None:
        await self.begin()
        for text in ("first question", "second question"):
            response = await treq.post(
                f"{self.address}/v1/chat/completions",
                json={"model": MODEL, "messages": [{"role": "user", "content": text}]},
                headers={"X-Request-Id": "again"},
                persistent=False,
            )
            await response.content()
        listed = await self.page("/dashboard/requests")
        second, first = (each.partition('"')[0] for each in listed.split('data-href="')[1:])
        self.assertTrue(first.startswith("/dashboard/requests/again%40"))
        for address, text, other in (
            (first, "first question", "second question"),
            (second, "second question", "first question"),
            ("/dashboard/requests/again", "second question", "first question"),
        ):
            page = await self.page(address)
            self.assertIn(text, page)
            self.assertNotIn(other, page)
            self.assertIn(first if "second" in text else second, page)
        reference = unquote(first.rpartition("/")[2])
        lab = await self.page(f"/dashboard/lab?request={reference}")
        self.assertIn("first question", lab)
        done = await self.replay(first, model="")
        page = await self.page(done.header("location"))
        self.assertIn("first question", page)
        self.assertIn(f"replay:{reference}", page)

    async def test_change_without_token_is_refused(self) -> None:
        await self.begin()
        await self.ask()
        first = await self.newest()
        refused = await self.fetch(f"{first}/replay", "POST", {"model": MODEL})
        self.assertEqual(refused.code, 403)
        self.assertEqual(await self.newest(), first)

    async def test_refusal_is_shown(self) -> None:
        await self.begin()
        await self.ask("x" * 3_000_000)
        first = await self.newest()
        page = await self.page(first)
        self.assertIn("It cannot be sent again.", page)
        self.assertNotIn("/replay", page)
        refused = await self.replay(first)
        self.assertEqual(refused.code, 409)
        self.assertIn("bytes are missing", refused.text)

    async def test_content_is_escaped(self) -> None:
        await self.begin()
        for stream in (False, True):
            response = await treq.post(
                f"{self.address}/v1/chat/completions?{SCRIPT}=1",
                json={
                    "model": MODEL,
                    "stream": stream,
                    "messages": [
                        {"role": "system", "content": SCRIPT},
                        {"role": "user", "content": [{"type": "text", "text": SCRIPT}]},
                    ],
                    "metadata": {SCRIPT: SCRIPT},
                },
                headers={"User-Agent": SCRIPT, "X-Name": SCRIPT},
                persistent=False,
            )
            await response.content()
            page = await self.page(await self.newest())
            self.assertIn("&lt;script&gt;", page)
            self.assertNotIn("<script>", page)
            self.assertNotIn("<img", page)
