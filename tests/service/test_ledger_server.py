"""A gateway whose ledger is on a PostgreSQL server, the commands that ask it, and the admin API."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
import treq
from click.testing import CliRunner
from twisted.internet.threads import deferToThread

from antigravity.cli.main import antigravity
from antigravity.config.ledger_settings import LedgerSettings
from antigravity.config.secret import Secret
from tests.service.account_fixture import MODEL, AccountCase
from tests.support.conditions import eventually
from tests.support.postgres import PostgresServer

ADMIN = "sk-admin"
PASSWORD = "veiled-password"


class LedgerServerTests(AccountCase):
    @pytest.fixture(autouse=True)
    def use_server(self, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.postgres = postgres
        self.url = postgres.url(password=PASSWORD)
        monkeypatch.setenv("ANTIGRAVITY_LEDGER__URL", self.url)

    async def begin(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        await self.use_ledger()

    async def use_ledger(self) -> None:
        assert self.gateway is not None
        await self.gateway.ledger.use(LedgerSettings(url=Secret(self.url)))

    @property
    def port(self) -> int:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return int(self.gateway.listener.ports[0].getHost().port)

    async def command(self, *arguments: str) -> Any:
        done = await deferToThread(
            CliRunner().invoke, antigravity, [*arguments, "--json", "--home", str(self.home)]
        )
        self.assertEqual(done.exit_code, 0, done.output)
        return json.loads(done.output)

    async def admin(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.port}{path}"
        response = await treq.get(
            url, headers={"authorization": f"Bearer {ADMIN}"}, persistent=False
        )
        return str(await response.text())

    async def test_commands_ask_gateway_then_server(self) -> None:
        await self.begin()
        await self.ask("hi")
        await self.ask("hi", model="no-such-model")
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
        )
        answers = []
        for _ in range(2):
            unserved, served = await self.command("requests", "--since", "1h")
            self.assertEqual((served["model"], served["outcome"]), (MODEL, "ok"))
            self.assertEqual(unserved["status"], 404)
            one = await self.command("request", served["id"])
            usage = await self.command("usage", "--since", "1h")
            self.assertEqual((usage["requests"], usage["errors"]), (2, 1))
            answers.append((served, unserved, one))
            await self.stop()
        self.assertEqual(*answers)
        self.assertFalse((self.home / "state" / "ledger.db").exists())

    async def test_password_is_in_no_answer(self) -> None:
        await self.begin()
        await self.ask("hi")
        status = await self.admin("/admin/status")
        self.assertIn(str(self.postgres.directory), status)
        self.postgres.stop()
        await self.ask("hi")
        assert self.gateway is not None
        ledger = self.gateway.ledger
        await eventually(lambda: bool(ledger.status().problem))
        refused = await self.admin("/admin/requests")
        self.assertIn("cannot be used now", refused)
        for text in (
            status,
            refused,
            await self.admin("/admin/status"),
            await self.admin("/metrics"),
        ):
            self.assertNotIn(PASSWORD, text)

    async def test_gateway_serves_while_server_is_away(self) -> None:
        await self.begin()
        self.assertEqual(await self.ask("before"), 200)
        await self.stop()
        self.postgres.stop()
        await self.run_gateway()
        await self.use_ledger()
        started = time.monotonic()
        for _ in range(3):
            self.assertEqual(await self.ask("meanwhile"), 200)
        self.assertLess(time.monotonic() - started, 20)
        assert self.gateway is not None
        ledger = self.gateway.ledger
        await eventually(lambda: ledger.status().spooled == 3)
        self.postgres.start()
        await eventually(lambda: ledger.status().spooled == 0, 60)
        self.assertEqual(await self.ask("after"), 200)
        await self.stop()
        self.assertEqual(
            self.postgres.execute("SELECT sum(requests) FROM antigravity.hours"), [(5,)]
        )
        self.assertFalse((self.home / "state" / "ledger.spool").exists())

    async def test_ledger_moves_between_file_and_server(self) -> None:
        await self.begin()
        await self.ask("to the server")
        assert self.gateway is not None
        await self.gateway.ledger.use(LedgerSettings())
        await self.ask("to the file")
        await self.use_ledger()
        await self.ask("to the server")
        await self.stop()
        count = "SELECT count(*) FROM antigravity.requests"
        self.assertEqual(self.postgres.execute(count), [(2,)])
        os.environ.pop("ANTIGRAVITY_LEDGER__URL")
        os.environ["ANTIGRAVITY_PROXY__PORT"] = "1"  # where no gateway listens
        self.addCleanup(os.environ.pop, "ANTIGRAVITY_PROXY__PORT")
        self.assertEqual(len(await self.command("requests")), 1)
