"""Accounts in a running gateway: the dead ones leave, what is left of the others is known."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor as default_reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.accounts.records import AccountRecord
from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret
from antigravity.config.settings import (
    OAuthSettings,
    ProxySettings,
    Settings,
    UpstreamSettings,
)
from antigravity.gateway import Gateway
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator

reactor: Any = default_reactor
MODEL = "gemini-2.5-flash"


class AccountsAtWork(TestCase):
    async def start(self, *secrets: str) -> None:
        """Start a simulator, and a gateway with one account for each secret."""
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        address = f"http://127.0.0.1:{port.getHost().port}"
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        self.files = AccountFiles(self.home)
        for number, secret in enumerate(secrets):
            self.files.save(
                AccountRecord(
                    f"codeassist-{number}", "codeassist", Secret(secret), created=float(number)
                )
            )
        oauth = OAuthSettings("client", Secret("secret"), f"{address}/token")
        upstream = UpstreamSettings("codeassist", base_url=address, oauth=oauth)
        settings = Settings(
            ProxySettings(listen=["tcp:0:interface=127.0.0.1"]), {"codeassist": upstream}
        )
        plugins = PluginHost()
        plugins.load(installed=False)
        self.gateway = Gateway(reactor, settings, self.home, plugins)
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    async def until(self, condition: Any) -> None:
        """Wait until something is so."""
        for _ in range(200):
            if condition():
                return
            await deferLater(reactor, 0.02)
        self.fail("it never came to that")

    async def ask(self) -> int:
        listener = self.gateway.listener
        assert listener is not None
        url = f"http://127.0.0.1:{listener.ports[0].getHost().port}/v1/chat/completions"
        body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        response = await treq.post(url, json=body, persistent=False)
        await response.content()
        return int(response.code)

    async def test_a_revoked_account_is_disabled_with_reason_and_time(self) -> None:
        await self.start("revoked-1", "good-1")
        for _ in range(3):
            self.assertEqual(await self.ask(), 200)
        await self.until(lambda: not self.files.find("codeassist-0").enabled)
        record = self.files.find("codeassist-0")
        self.assertIn("revoked or has expired", record.disabled_reason)
        self.assertNotIn("revoked-1", record.disabled_reason)
        self.assertLess(abs(record.disabled_at - reactor.seconds()), 60)
        self.assertTrue(self.files.find("codeassist-1").enabled)
        refused = [each for each in self.simulator.log if each.path == "/token"]
        self.assertLessEqual(len(refused), 2, "each refresh token is tried once")

    async def test_quotas_are_known_and_kept(self) -> None:
        await self.start("paid-1", "exhausted-1")
        quotas = QuotaFiles(self.home)
        await self.until(lambda: len(quotas.load()) == 2)
        kept = quotas.load()
        self.assertEqual(kept["codeassist-0"].tier, "PRO")
        now = reactor.seconds()
        self.assertEqual(kept["codeassist-0"].left(MODEL, now), 0.75)
        self.assertEqual(kept["codeassist-1"].left(MODEL, now), 0.0)
        self.assertEqual(kept["codeassist-1"].tier, "FREE")
        for path in quotas.directory.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
