"""Warm-ups of accounts in a running gateway, on schedule and on demand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import treq
from click.testing import CliRunner
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.records import AccountRecord
from antigravity.app.gateway import Gateway
from antigravity.cli.main import antigravity
from antigravity.config.home import prepare_home
from antigravity.config.quota_settings import ScheduledWarmupSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import OAuthSettings, ProxySettings, Settings, UpstreamSettings
from antigravity.hookspecs import hookimpl
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.simulator.responder import Responder as SimulatedResponder
from antigravity.simulator.service import build_simulator
from antigravity.simulator.state import Account
from antigravity.warmup import scheduler
from tests.support.conditions import eventually

reactor: Any = default_reactor
ADMIN, CLIENT = "sk-admin", "sk-client"
GROUP = "gemini-3-flash"


class Observer:
    """A plugin that keeps records of exchanges."""

    def __init__(self, records: list[ExchangeRecord]) -> None:
        self.records = records

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> None:
        self.records.append(record)


class WarmupCase(TestCase):
    timeout = 120

    async def start(self, *secrets: str, **warmup: Any) -> None:
        """Start a simulator, and a gateway with one account for each refresh token."""
        for name, value in (("PACE", 0.02), ("FIRST", 0.05), ("SPREAD", 0.02)):
            self.patch(scheduler, name, value)
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        address = f"http://127.0.0.1:{port.getHost().port}"
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        for number, secret in enumerate(secrets):
            record = AccountRecord(
                f"codeassist-{number}",
                "codeassist",
                Secret(secret),
                label=f"user{number}@mail.de",
                created=float(number),
            )
            AccountFiles(self.home).save(record)
        oauth = OAuthSettings("client", Secret("secret"), f"{address}/token")
        self.settings = Settings(
            ProxySettings(
                listen=["tcp:0:interface=127.0.0.1"],
                auth_mode="strict",
                api_key=Secret(CLIENT),
                admin_key=Secret(ADMIN),
            ),
            {"codeassist": UpstreamSettings("codeassist", base_url=address, oauth=oauth)},
            scheduled_warmup=ScheduledWarmupSettings(**{"monitored_models": [GROUP], **warmup}),
        )
        self.records: list[ExchangeRecord] = []
        await self.begin()

    async def begin(self) -> None:
        plugins = PluginHost()
        plugins.load(extra=[("observer", Observer(self.records))], installed=False)
        self.gateway = Gateway(reactor, self.settings, self.home, plugins)
        self.addCleanup(lambda: self.gateway.running and self.gateway.stopService())
        await self.gateway.startService()
        listener: Any = self.gateway.listener
        self.port = listener.ports[0].getHost().port

    async def post(self, body: Any, key: str = ADMIN, **headers: str) -> tuple[int, Any]:
        response = await treq.post(
            f"http://127.0.0.1:{self.port}/internal/warmup",
            data=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"x-api-key": key, **headers},
            persistent=False,
        )
        return response.code, await response.json()

    def generated(self) -> list[Any]:
        """Return the bodies of the requests that generated something."""
        return [each.body for each in self.simulator.log if "GenerateContent" in each.path]


class ScheduleTests(WarmupCase):
    async def test_full_account_is_warmed_up_once_across_restart(self) -> None:
        await self.start("left-100-full", "left-60-begun", enabled=True, interval=0.1)
        await eventually(lambda: self.records)
        await deferLater(reactor, 0.5)
        (body,) = self.generated()
        self.assertEqual(body["project"], Account("left-100-full").project)
        self.assertEqual(body["model"], "gemini-3-flash")
        self.assertLessEqual(body["request"]["generationConfig"]["maxOutputTokens"], 16)
        (record,) = self.records
        self.assertEqual((record.protocol, record.outcome), ("internal", "ok"))
        self.assertEqual(record.attempts[0].credential, "codeassist-0")
        self.assertIsNotNone(record.usage)
        await self.gateway.stopService()
        await self.begin()
        await deferLater(reactor, 0.5)
        self.assertEqual(len(self.generated()), 1)
        self.assertEqual(len(self.records), 1)

    async def test_schedule_is_off_by_default(self) -> None:
        await self.start("left-100-full")
        await deferLater(reactor, 0.4)
        self.assertEqual(self.generated(), [])

    async def test_stalled_warmup_does_not_delay_shutdown(self) -> None:
        self.patch(SimulatedResponder, "respond", lambda *_: Deferred())  # it never answers
        await self.start("left-100-full", enabled=True, interval=0.1)
        await eventually(lambda: self.generated())
        before = reactor.seconds()
        await self.gateway.stopService()
        self.assertLess(reactor.seconds() - before, 5.0)
        self.assertEqual([each.outcome for each in self.records], ["cancelled"])


class OnDemandTests(WarmupCase):
    async def test_account_is_warmed_up_for_model(self) -> None:
        await self.start("left-60-a", "left-60-b")
        code, body = await self.post({"email": "USER1@mail.de", "model": "claude-sonnet-4-6"})
        self.assertEqual(code, 200)
        self.assertEqual(
            body,
            {
                "success": True,
                "results": [
                    {
                        "account": "codeassist-1",
                        "upstream": "codeassist",
                        "model": "claude-sonnet-4-6",
                        "state": "warmed",
                        "reason": "",
                    }
                ],
            },
        )
        (sent,) = self.generated()
        self.assertEqual(sent["project"], Account("left-60-b").project)

    async def test_project_of_request_replaces_project_of_account(self) -> None:
        await self.start("left-60-a")
        wanted = {"account": "codeassist-0", "model": "claude-sonnet-4-6"}
        await self.post({**wanted, "project_id": "another"})
        await self.post(wanted)
        own = Account("left-60-a").project
        self.assertEqual([each["project"] for each in self.generated()], ["another", own])

    async def test_request_without_model_warms_up_full_quotas(self) -> None:
        await self.start("left-100-full", "left-60-begun", "exhausted-none")
        code, body = await self.post(b"")
        self.assertEqual(code, 200)
        found = {each["account"]: each for each in body["results"]}
        self.assertEqual(found["codeassist-0"]["state"], "warmed")
        self.assertEqual(found["codeassist-1"]["state"], "skipped")
        self.assertEqual(found["codeassist-1"]["reason"], "60 % of it is left")
        self.assertEqual(len(self.generated()), 1)
        _, body = await self.post({"account": "codeassist-0"})
        self.assertEqual(body["results"][0]["state"], "skipped")
        self.assertIn("warmed up", body["results"][0]["reason"])
        self.assertEqual(len(self.generated()), 1)

    async def test_failure_is_reported_and_locks_account(self) -> None:
        await self.start("exhausted-a", "left-60-b")
        _, body = await self.post({"account": "codeassist-0", "model": "claude-sonnet-4-6"})
        self.assertFalse(body["success"])
        (result,) = body["results"]
        self.assertEqual(result["state"], "failed")
        self.assertIn("exhausted your capacity", result["reason"])
        self.assertNotIn("exhausted-a", str(body))
        self.assertEqual([each.outcome for each in self.records], ["error"])
        _, body = await self.post({"account": "codeassist-0", "model": "claude-sonnet-4-6"})
        self.assertEqual(body["results"][0]["state"], "skipped", "it is locked for that model")
        self.assertEqual(len(self.generated()), 1)

    async def test_warmup_requires_local_operator(self) -> None:
        await self.start("left-60-a")
        wanted = {"account": "codeassist-0", "model": "claude-sonnet-4-6"}
        for key in (CLIENT, ""):
            self.assertEqual((await self.post(wanted, key))[0], 401)
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
            code, body = await self.post(wanted, **{name: "127.0.0.1"})
            self.assertEqual(code, 403)
            self.assertIn("own machine", str(body))
        spellings = {
            "/internal%2Fwarmup": 404,
            "/%69nternal/warmup": 401,
            "/v1/internal/warmup": 401,
        }
        for spelling, status in spellings.items():
            response = await treq.post(
                f"http://127.0.0.1:{self.port}{spelling}",
                json=wanted,
                headers={"x-api-key": CLIENT},
                persistent=False,
            )
            await response.content()
            self.assertEqual(response.code, status, spelling)
        response = await treq.get(
            f"http://127.0.0.1:{self.port}/internal/warmup",
            headers={"x-api-key": ADMIN},
            persistent=False,
        )
        self.assertEqual(response.code, 405)
        await response.content()
        self.assertEqual(self.generated(), [])

    async def test_invalid_request_is_refused(self) -> None:
        await self.start("left-60-a", "left-60-b")
        for body, code, words in (
            ({"account": "nobody"}, 404, "No account in use matches"),
            ({"account": "codeassist"}, 400, "matches 2 accounts"),
            ({"access_token": "ya29.x"}, 400, "access_token"),
            (b"[", 400, "optional"),
        ):
            status, answer = await self.post(body)
            self.assertEqual(status, code, answer)
            self.assertIn(words, str(answer))
        self.assertEqual(self.generated(), [])

    async def test_command_line_requests_warmup(self) -> None:
        await self.start("left-60-a", "exhausted-b")
        home = Path(self.mktemp())
        home.mkdir(mode=0o700)
        (home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
        )

        def run(*arguments: str) -> Any:
            return CliRunner().invoke(
                antigravity, ["accounts", "warmup", *arguments, "--home", str(home)]
            )

        done = await deferToThread(run, "user0@mail.de", "--model", "gemini-3-flash")
        self.assertEqual(done.exit_code, 0, done.output)
        self.assertRegex(done.output, "codeassist-0 +codeassist +gemini-3-flash +warmed")
        failed = await deferToThread(run, "codeassist-1", "--model", "gemini-3-flash", "--json")
        self.assertEqual(failed.exit_code, 1)
        self.assertEqual(json.loads(failed.output)["results"][0]["state"], "failed")


class EveryUpstreamTests(TestCase):
    """Upstreams of every kind accept the request."""

    async def test_all_kinds_of_upstream_are_warmed_up(self) -> None:
        host = PluginHost()
        host.load(installed=False)
        proxy = ProxySettings(listen=["tcp:0:interface=127.0.0.1"], admin_key=Secret(ADMIN))
        gateway = Gateway(reactor, Settings(proxy), Path(self.mktemp()), host, demo=True)
        self.addCleanup(gateway.stopService)
        await gateway.startService()
        listener: Any = gateway.listener
        base = f"http://127.0.0.1:{listener.ports[0].getHost().port}"
        headers = {"x-api-key": ADMIN}
        response = await treq.get(f"{base}/admin/status", headers=headers, persistent=False)
        accounts = (await response.json())["pool"]["accounts"]
        models = {
            "demo-anthropic": ["claude-sonnet-5", "claude-opus-4-6"],
            "demo-gemini_api": ["gemini-2.5-flash", "gemini-3-pro-preview"],
            "demo-interactions": ["gemini-2.5-flash", "gemini-3-pro-preview"],
            "demo-codeassist": [
                "claude-opus-4-6-thinking",
                "claude-sonnet-4-6",
                "gemini-3-pro-high",
                "gemini-3.1-flash-image",
                "gemini-pro-agent",
            ],
        }
        for account in accounts:
            for model in models.get(account["upstream"], ["gpt-5.1", "gpt-4.1"]):
                response = await treq.post(
                    f"{base}/internal/warmup",
                    json={"account": account["id"], "model": model},
                    headers=headers,
                    persistent=False,
                )
                (result,) = (await response.json())["results"]
                self.assertEqual(result["state"], "warmed", result)
        self.assertEqual(len(accounts), 8)
