"""A running gateway writes a row of every request, and one gateway at a time keeps a ledger."""

from __future__ import annotations

from typing import Any

from antigravity.config.ledger_settings import LedgerSettings
from antigravity.interfaces.ledger import RequestQuestion
from antigravity.interfaces.status import LedgerState
from tests.service.account_fixture import MODEL, AccountCase


class LedgerRowTests(AccountCase):
    async def rows(self) -> list[dict[str, Any]]:
        assert self.gateway is not None
        ledger = self.gateway.ledger.ledger
        assert ledger is not None
        await ledger.flush()
        rows: list[dict[str, Any]] = await ledger.ask(lambda r: r.requests(RequestQuestion())[0])
        return rows

    async def test_served_and_refused_requests_have_rows(self) -> None:
        await self.start("one")
        self.assertEqual(await self.ask("hi"), 200)
        self.assertEqual(await self.ask("hi", model="no-such-model"), 404)
        self.assertEqual(await self.ask("[[error 400]] hi"), 400)
        bad, unserved, served = await self.rows()
        self.assertEqual((served["model"], served["outcome"], served["status"]), (MODEL, "ok", 200))
        self.assertGreater(served["output"], 0)
        self.assertTrue(served["account"])
        self.assertEqual((unserved["outcome"], unserved["status"]), ("error", 404))
        self.assertEqual((bad["outcome"], bad["attempts"]), ("error", 1))

    async def test_rows_survive_restart(self) -> None:
        await self.start("one")
        await self.ask("hi")
        await self.stop()
        await self.run_gateway()
        await self.ask("hi")
        self.assertEqual(len(await self.rows()), 2)

    async def test_ledger_can_be_switched_off_and_on(self) -> None:
        await self.start("one")
        gateway = self.gateway
        assert gateway is not None
        await gateway.ledger.use(LedgerSettings(enabled=False))
        self.assertEqual(gateway.ledger.status(), LedgerState(enabled=False))
        await self.ask("hi")
        await gateway.ledger.use(LedgerSettings())
        await self.ask("hi")
        self.assertEqual(len(await self.rows()), 1)
        self.assertTrue(gateway.ledger.status().enabled)

    async def test_second_gateway_of_home_has_no_ledger(self) -> None:
        await self.start("one")
        first = self.gateway
        assert first is not None
        await self.run_gateway()
        second = self.gateway
        assert second is not None
        try:
            self.assertIn("another gateway", second.ledger.status().problem)
            self.assertEqual(await self.ask("hi"), 200)
        finally:
            await second.stopService()
            self.gateway = first
        await self.ask("hi")
        self.assertEqual(len(await self.rows()), 1)
