"""Quota protection in a running gateway, and what clients and the operator see of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import treq
from click.testing import CliRunner
from msgspec.structs import replace
from twisted.internet import reactor as default_reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.accounts.records import AccountRecord
from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.cli.main import antigravity
from antigravity.config.home import prepare_home
from antigravity.config.quota_settings import QuotaProtectionSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import OAuthSettings, ProxySettings, Settings, UpstreamSettings
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator
from antigravity.simulator.state import Account

reactor: Any = default_reactor
ADMIN = "sk-admin"
CLAUDE, GEMINI = "claude-sonnet-4-6", "gemini-2.5-flash"


class QuotaProtectionTests(TestCase):
    timeout = 120

    async def start(self, *secrets: str) -> None:
        """Start a simulator, and a gateway with one account for each refresh token."""
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        address = f"http://127.0.0.1:{port.getHost().port}"
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        for number, secret in enumerate(secrets):
            record = AccountRecord(
                f"codeassist-{number}", "codeassist", Secret(secret), created=float(number)
            )
            AccountFiles(self.home).save(record)
        oauth = OAuthSettings("client", Secret("secret"), f"{address}/token")
        self.settings = Settings(
            ProxySettings(listen=["tcp:0:interface=127.0.0.1"], admin_key=Secret(ADMIN)),
            {"codeassist": UpstreamSettings("codeassist", base_url=address, oauth=oauth)},
            quota_protection=QuotaProtectionSettings(enabled=True),
        )
        plugins = PluginHost()
        plugins.load(installed=False)
        self.gateway = Gateway(
            reactor,
            self.settings,
            self.home,
            plugins,
            configure=lambda _: LoadedConfiguration(self.settings, plugins),
        )
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()
        listener: Any = self.gateway.listener
        self.port = listener.ports[0].getHost().port
        for _ in range(3000):
            if len(QuotaFiles(self.home).load()) == len(secrets):
                return
            await deferLater(reactor, 0.02)
        self.fail("the quotas are not known")

    async def post(self, path: str, body: Any) -> Any:
        self.response = await treq.post(
            f"http://127.0.0.1:{self.port}{path}", json=body, persistent=False
        )
        return await self.response.json()

    async def chat(self, model: str) -> int:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        self.answer = await self.post("/v1/chat/completions", body)
        return int(self.response.code)

    async def ask(self, path: str) -> Any:
        response = await treq.get(
            f"http://127.0.0.1:{self.port}{path}", headers={"x-api-key": ADMIN}, persistent=False
        )
        return await response.json()

    def projects(self) -> set[str]:
        """Return the projects of the accounts that generated something."""
        return {
            each.body["project"] for each in self.simulator.log if "GenerateContent" in each.path
        }

    def seconds(self) -> int:
        (value,) = self.response.headers.getRawHeaders("Retry-After")
        return int(value)

    async def test_protected_account_is_not_used_for_its_models(self) -> None:
        await self.start("left-8-low", "left-60-high")
        for _ in range(6):
            self.assertEqual(await self.chat(CLAUDE), 200)
        self.assertEqual(self.projects(), {Account("left-60-high").project})
        explained = await self.ask(f"/admin/explain?model={CLAUDE}")
        states = {each["account"]: each for each in explained["accounts"]}
        self.assertEqual(states["codeassist-0"]["state"], "protected")
        self.assertIn("8 % of its quota for claude is left", states["codeassist-0"]["reason"])
        other = await self.ask(f"/admin/explain?model={GEMINI}")
        self.assertNotIn("protected", {each["state"] for each in other["accounts"]})

    async def test_error_names_reset_of_first_quota(self) -> None:
        await self.start("left-8-a", "left-0-b")
        self.assertEqual(await self.chat(CLAUDE), 429)
        self.assertEqual(self.answer["error"]["code"], "quota_protected")
        self.assertIn("protected", self.answer["error"]["message"])
        self.assertTrue(3500 <= self.seconds() <= 3600, self.seconds())
        body = {
            "model": CLAUDE,
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "hi"}],
        }
        answer = await self.post("/v1/messages", {**body, "stream": True})
        self.assertEqual(self.response.code, 429)
        self.assertEqual(answer["error"]["type"], "rate_limit_error")
        self.assertTrue(3500 <= self.seconds() <= 3600)
        answer = await self.post(
            f"/v1beta/models/{CLAUDE}:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}
        )
        self.assertEqual(self.response.code, 429)
        self.assertEqual(answer["error"]["status"], "RESOURCE_EXHAUSTED")
        self.assertEqual(self.projects(), set())
        self.assertEqual(await self.chat(GEMINI), 200)

    async def test_protection_follows_reload(self) -> None:
        await self.start("left-8-a")
        self.assertEqual(await self.chat(CLAUDE), 429)
        on = self.settings
        self.settings = replace(on, quota_protection=QuotaProtectionSettings())
        await self.gateway.reload()
        self.port = self.gateway.listener.ports[0].getHost().port  # type: ignore[union-attr]
        self.assertEqual(await self.chat(CLAUDE), 200)
        self.settings = on
        await self.gateway.reload()
        self.assertEqual(await self.chat(CLAUDE), 429)

    async def test_command_line_shows_protection(self) -> None:
        await self.start("left-8-a")
        home = Path(self.mktemp())
        home.mkdir(mode=0o700)
        (home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
        )

        def run(*arguments: str) -> str:
            return CliRunner().invoke(antigravity, [*arguments, "--home", str(home)]).output

        shown = await deferToThread(run, "status")
        self.assertRegex(
            shown, r"codeassist-0 +codeassist +ready +- +8 % of claude, .*kept in reserve"
        )
        explained = await deferToThread(run, "explain", CLAUDE)
        self.assertRegex(
            explained, "protected, free in 60 min +8 % +8 % of its quota for claude is left"
        )
