"""Long account locks in a running gateway: what ends them, and probes of locked accounts."""

from __future__ import annotations

import json
import os
import sys
from itertools import count
from pathlib import Path
from typing import Any

import treq
from click.testing import CliRunner
from msgspec.structs import replace
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutput

from antigravity.accounts import quota_monitor
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.cli.main import antigravity
from antigravity.config.quota_settings import QuotaSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import SchedulingSettings
from tests.service.account_fixture import MODEL, AccountCase, reactor
from tests.support.conditions import eventually

ADMIN = "sk-admin"
FAR = 200 * 3600
_numbers = count()


def once() -> str:
    """Return a prompt that is refused the first time that it is sent, with a far Retry-After."""
    return f"[[error 429 retry={FAR + next(_numbers)}s times=1]] hello"


class AccountLockTests(AccountCase):
    async def start(self, *secrets: str, extra: Any = (), **proxy: Any) -> None:
        proxy.setdefault("admin_key", Secret(ADMIN))
        self.refresh = proxy.pop("refresh", 900.0)
        await super().start(*secrets, extra=extra, **proxy)

    async def run_gateway(self) -> None:
        quotas = QuotaSettings(refresh_interval=self.refresh)
        self.settings = replace(self.settings, quota=quotas)
        await super().run_gateway()

    @property
    def port(self) -> int:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return int(self.gateway.listener.ports[0].getHost().port)

    def asked(self) -> int:
        """Return how many requests the upstream got."""
        return len([each for each in self.simulator.log if "enerateContent" in each.path])

    async def lock(self) -> None:
        """Lock the only account for hundreds of hours."""
        self.assertEqual(await self.ask(once()), 429)
        before = self.asked()
        response = await self.post("hi")
        await response.content()
        self.assertEqual(response.code, 429)
        (after,) = response.headers.getRawHeaders("retry-after")
        self.assertLess(abs(int(after) - FAR), 60)
        self.assertEqual(self.asked(), before)

    async def administer(self, path: str, body: Any = None) -> tuple[int, Any]:
        response = await treq.post(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"x-api-key": ADMIN},
            json=body,
            persistent=False,
        )
        return response.code, await treq.json_content(response)

    async def command(self, *arguments: str, key: str = ADMIN) -> Any:
        """Run a command of the gateway's home, and return its JSON."""
        done = await self.run_command(*arguments, key=key)
        self.assertEqual(done.exit_code, 0, done.output)
        return json.loads(done.stdout)

    async def run_command(self, *arguments: str, key: str = ADMIN) -> Any:
        """Run a command of the gateway's home in a thread, and return its result."""
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "{key}"\n'
        )

        def run() -> Any:
            return CliRunner().invoke(
                antigravity, ["accounts", *arguments, "--home", str(self.home), "--json"]
            )

        return await deferToThread(run)

    async def test_unlock_endpoint_unlocks_account_or_model(self) -> None:
        await self.start("good-1")
        await self.lock()
        path = "/admin/accounts/codeassist-0/unlock"
        self.assertEqual((await self.administer(path, {"model": "another"}))[1]["unlocked"], 0)
        self.assertEqual(await self.ask(), 429)
        code, answer = await self.administer(path, {"model": MODEL})
        self.assertEqual(code, 200)
        self.assertEqual(answer, {"account": "codeassist-0", "model": MODEL, "unlocked": 1})
        self.assertEqual(await self.ask(), 200)
        await self.lock()
        self.assertEqual((await self.administer(path))[1]["unlocked"], 1)
        self.assertEqual(await self.ask(), 200)

    async def test_unlock_endpoint_reports_errors(self) -> None:
        await self.start("good-1")
        for path, body, code in (
            ("/admin/accounts/nobody/unlock", None, 404),
            ("/admin/accounts/codeassist-0/unlock", {"modell": "m"}, 400),
            ("/admin/accounts/codeassist-0/unlock", [], 400),
        ):
            self.assertEqual((await self.administer(path, body))[0], code)
        url = f"http://127.0.0.1:{self.port}/admin/accounts/codeassist-0/unlock"
        response = await treq.post(url, headers={"x-api-key": "wrong"}, persistent=False)
        await response.content()
        self.assertEqual(response.code, 401)

    async def test_unlock_command_takes_label_and_model(self) -> None:
        await self.start("good-1")
        self.files.save(replace(self.files.find("codeassist-0"), label="work"))
        await self.lock()
        done = await self.command("unlock", "work", "--model", MODEL)
        self.assertEqual(done, {"account": "codeassist-0", "model": MODEL, "unlocked": 1})
        self.assertEqual(await self.ask(), 200)

    async def test_unlock_command_takes_all_accounts(self) -> None:
        await self.start("good-1")
        await self.lock()
        done = await self.command("unlock", "ALL")
        one = {"account": "codeassist-0", "model": None, "unlocked": 1}
        self.assertEqual(done, {"accounts": [one]})
        self.assertEqual(await self.ask(), 200)

    async def test_unlock_command_names_unknown_account_once(self) -> None:
        await self.start("good-1")
        done = await self.run_command("unlock", "nobody")
        self.assertEqual(done.exit_code, 1)
        self.assertEqual(done.output.count("nobody"), 1, done.output)

    async def test_status_lists_locks(self) -> None:
        await self.start("good-1")
        await self.lock()
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
        )

        def run() -> Any:
            return CliRunner().invoke(antigravity, ["status", "--home", str(self.home)])

        done = await deferToThread(run)
        self.assertRegex(done.output, f"codeassist-0 +codeassist +limited, free in .*{MODEL}: ")

    async def test_unlock_command_works_without_administration_key(self) -> None:
        await self.start("good-1", admin_key=Secret())
        await self.lock()
        await self.command("unlock", "codeassist-0", key="")
        assert self.gateway is not None
        await self.gateway.reload()
        self.assertEqual(await self.ask(), 200)

    async def test_changes_of_account_end_its_locks(self) -> None:
        await self.start("good-1")
        assert self.gateway is not None
        await self.lock()
        await self.gateway.reload()
        self.assertEqual(await self.ask(), 429)
        await self.command("enable", "codeassist-0")
        await self.gateway.reload()
        self.assertEqual(await self.ask(), 200)
        await self.lock()
        await self.command("disable", "codeassist-0")
        await self.gateway.reload()
        await self.command("enable", "codeassist-0")
        await self.gateway.reload()
        self.assertEqual(await self.ask(), 200)
        await self.lock()
        record = self.files.find("codeassist-0")
        await self.command("remove", "codeassist-0")
        self.files.save(record)
        await self.gateway.reload()
        self.assertEqual(await self.ask(), 200)
        await self.lock()
        added = await self.command(
            "add", "codeassist", "good-1", "--upstream", "codeassist", "--no-check"
        )
        self.assertTrue(added["updated"])
        await self.gateway.reload()
        self.assertEqual(await self.ask(), 200)

    async def test_lock_survives_restart_unless_account_changed(self) -> None:
        await self.start("good-1")
        await self.lock()
        await self.stop()
        await self.run_gateway()
        self.assertEqual(await self.ask(), 429)
        await self.stop()
        self.files.save(self.files.find("codeassist-0"))
        await self.run_gateway()
        self.assertEqual(await self.ask(), 200)

    async def test_successful_warmup_ends_lock(self) -> None:
        await self.start("good-1")
        await self.lock()
        self.gateway.accounts.pool._finder.forced_interval = 0.0
        body = {"account": "codeassist-0", "model": MODEL}
        code, answer = await self.administer("/internal/warmup", body)
        self.assertEqual((code, answer["results"][0]["state"]), (200, "warmed"))
        self.assertEqual(await self.ask(), 200)

    async def test_quota_fetched_by_another_process_ends_lock(self) -> None:
        await self.start("good-1")
        assert self.gateway is not None
        quotas = QuotaFiles(self.home)
        await eventually(lambda: "codeassist-0" in quotas.load())
        await self.lock()
        known = quotas.load()["codeassist-0"]
        quotas.save("codeassist-0", replace(known, fetched=reactor.seconds()))
        keeper = self.gateway.accounts.quotas
        await keeper._load_changed({"codeassist-0"})
        self.assertEqual(await self.ask(), 200)

    async def test_refresh_command_ends_lock_within_seconds(self) -> None:
        self.patch(quota_monitor, "PACE", 0.2)
        await self.start("good-1", refresh=0.0)
        await self.lock()
        await self.until_later(1.1)
        upstream = self.settings.upstreams["codeassist"]
        table = (
            f'[upstreams.codeassist]\nkind = "codeassist"\nbase_url = "{upstream.base_url}"\n'
            '[upstreams.codeassist.oauth]\nclient_id = "client"\nclient_secret = "secret"\n'
            f'token_url = "{upstream.oauth.token_url}"\n'
        )
        (self.home / "antigravity.toml").write_text(table)
        program = Path(sys.executable).with_name("antigravity")
        arguments = ("accounts", "refresh", "--home", str(self.home), "--json")
        text = await getProcessOutput(str(program), arguments, env=os.environ, errortoo=True)
        self.assertIn(b'"works": true', text)
        end = reactor.seconds() + 20
        while await self.ask() != 200:
            self.assertLess(reactor.seconds(), end)
            await self.until_later(0.2)

    async def test_successful_probe_ends_lock(self) -> None:
        scheduling = SchedulingSettings(probe_interval=0.2)
        await self.start("good-1", scheduling=scheduling)
        self.assertEqual(await self.ask(once()), 429)
        await self.until_later(0.3)
        self.assertEqual(await self.ask(), 200)
        self.assertEqual(await self.ask(), 200)

    async def test_failed_probe_does_not_change_outcome_of_request(self) -> None:
        scheduling = SchedulingSettings(probe_interval=0.2)
        for error in ("429 retry=100h", "500", "503", "401", "404", "429"):
            await self.start("good-1", scheduling=scheduling)
            self.assertEqual(await self.ask(once()), 429)
            await self.until_later(0.3)
            before = self.asked()
            response = await self.post(f"[[error {error}]] hello")
            body = await response.text()
            times = 2 if error == "401" else 1  # the token is renewed first
            self.assertEqual(self.asked() - before, times, error)
            if error == "401":
                await self.stop()
                continue
            self.assertEqual(response.code, 429, body)
            self.assertIn("has reached its", body)
            (after,) = response.headers.getRawHeaders("retry-after")
            expected = 100 * 3600 if "100h" in error else FAR
            self.assertLess(abs(int(after) - expected), 60)
            await self.stop()

    async def test_request_with_failed_probe_is_served_by_another_account(self) -> None:
        scheduling = SchedulingSettings(probe_interval=0.2)
        await self.start("good-1", "good-2", scheduling=scheduling)
        self.assertEqual(await self.ask(once()), 200)
        await self.until_later(0.3)
        before = self.asked()
        self.assertEqual(await self.ask("[[error 500 times=1]] hello"), 200)
        self.assertEqual(self.asked() - before, 2)

    async def until_later(self, seconds: float) -> None:
        end = reactor.seconds() + seconds
        await eventually(lambda: reactor.seconds() > end)
