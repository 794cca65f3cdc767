"""Accounts in a running gateway: revoked ones are disabled, quotas are stored."""

from __future__ import annotations

import stat

from antigravity.accounts.quota_files import QuotaFiles
from tests.service.account_fixture import MODEL, AccountCase, reactor
from tests.support.conditions import eventually


class AccountPoolTests(AccountCase):
    async def test_revoked_account_is_disabled_with_reason_and_time(self) -> None:
        await self.start("revoked-1", "good-1")
        for _ in range(3):
            self.assertEqual(await self.ask(), 200)
        await eventually(lambda: not self.files.find("codeassist-0").enabled)
        record = self.files.find("codeassist-0")
        self.assertIn("revoked or has expired", record.disabled_reason)
        self.assertNotIn("revoked-1", record.disabled_reason)
        self.assertLess(abs(record.disabled_at - reactor.seconds()), 60)
        self.assertTrue(self.files.find("codeassist-1").enabled)
        refused = [each for each in self.simulator.log if each.path == "/token"]
        self.assertLessEqual(len(refused), 2, "each refresh token is tried once")

    async def test_quotas_are_fetched_and_stored(self) -> None:
        await self.start("paid-1", "exhausted-1")
        quotas = QuotaFiles(self.home)
        await eventually(lambda: len(quotas.load()) == 2)
        kept = quotas.load()
        self.assertEqual(kept["codeassist-0"].tier, "PRO")
        now = reactor.seconds()
        self.assertEqual(kept["codeassist-0"].remaining(MODEL, now), 0.75)
        self.assertEqual(kept["codeassist-1"].remaining(MODEL, now), 0.0)
        self.assertEqual(kept["codeassist-1"].tier, "FREE")
        for path in quotas.directory.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
