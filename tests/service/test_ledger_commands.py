"""``antigravity usage``, ``requests`` and ``request``: of a running gateway, and of a file."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec
import pytest
import treq
from click.testing import CliRunner
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import blockingCallFromThread, deferToThread

from antigravity.cli import requests as requests_module
from antigravity.cli.ledger_source import read_time
from antigravity.cli.main import antigravity
from antigravity.config.running_gateway import (
    RunningGateway,
    process_start,
    write_running_gateway,
)
from antigravity.config.secret import Secret
from antigravity.interfaces.ledger import RequestQuestion, UsageQuestion
from tests.service.account_fixture import MODEL, AccountCase, reactor

ADMIN = "sk-admin"


class CommandTests(AccountCase):
    async def asked(self) -> None:
        """Start a gateway that has served one request and refused another."""
        await self.start("one", admin_key=Secret(ADMIN))
        await self.ask("hi")
        await self.ask("hi", model="no-such-model")

    @property
    def port(self) -> int:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return int(self.gateway.listener.ports[0].getHost().port)

    async def command(self, *arguments: str) -> Any:
        """Run a command of the gateway's home in a thread."""
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.last_port}\nadmin_key = "{ADMIN}"\n'
        )
        done = await deferToThread(
            CliRunner().invoke, antigravity, [*arguments, "--home", str(self.home)]
        )
        self.assertEqual(done.exit_code, 0, done.output)
        return done.output

    async def answers(self, *arguments: str) -> Any:
        return json.loads(await self.command(*arguments, "--json"))

    async def both(self, check: Any) -> None:
        """Check what commands answer while the gateway runs, and after it has stopped."""
        await self.asked()
        self.last_port = self.port
        await check()
        await self.stop()
        await check()

    async def test_requests_are_listed(self) -> None:
        async def check() -> None:
            unserved, served = await self.answers("requests", "--since", "1h")
            self.assertEqual((served["model"], served["outcome"]), (MODEL, "ok"))
            self.assertGreater(served["tokens"]["output"], 0)
            self.assertEqual(served["cost"], 0)
            self.assertGreater(served["list_cost"], 0)
            self.assertEqual((unserved["outcome"], unserved["status"]), ("error", 404))
            self.assertIn("NotFoundError", unserved["error"])
            failed = await self.answers("requests", "--failed")
            self.assertEqual([each["id"] for each in failed], [unserved["id"]])
            text = await self.command("requests", "--model", MODEL)
            self.assertIn(served["id"], text)
            self.assertNotIn(unserved["id"], text)
            one = await self.answers("request", served["id"])
            self.assertEqual(one["attempts"][0]["status"], 200)
            self.assertIn("attempt", (await self.command("request", served["id"])).lower())

        await self.both(check)

    async def test_usage_is_added_up(self) -> None:
        async def check() -> None:
            usage = await self.answers("usage", "--since", "1h")
            self.assertEqual((usage["requests"], usage["errors"], usage["unpriced"]), (2, 1, 0))
            self.assertGreater(usage["list_cost"], 0)
            found = [row["model"] for row in usage["by_model"]]
            self.assertEqual(found, [MODEL, "no-such-model"])
            self.assertEqual(usage["tokens"]["total"], usage["by_day"][0]["tokens"]["total"])
            text = await self.command("usage", "--by", "day,account,model")
            self.assertIn("ACCOUNT", text)
            self.assertIn("total", text)

        await self.both(check)

    async def test_ledger_is_read_if_the_gateway_has_another_key(self) -> None:
        await self.asked()
        await deferLater(reactor, 0.5)  # the rows are written then
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "sk-another"\n'
        )
        pid = os.getpid()
        record = RunningGateway(pid, process_start(pid), (f"http://127.0.0.1:{self.port}",))
        for has_record, said in ((False, "does not know the configured key"), (True, "401")):
            if has_record:  # the key goes to the gateway then, which refuses it
                write_running_gateway(self.home, record)
            for arguments, found in (
                (("usage", "--since", "1h"), "total"),
                (("requests",), MODEL),
                (("export", "--since", "1h"), MODEL),
            ):
                done = await deferToThread(
                    CliRunner().invoke, antigravity, [*arguments, "--home", str(self.home)]
                )
                self.assertEqual(done.exit_code, 0, done.output)
                self.assertIn(found, done.output)
                self.assertIn("The ledger in the home is read", done.stderr)
                self.assertIn(said, done.stderr)
                self.assertNotIn("sk-another", done.output + done.stderr)

    async def test_follow_prints_requests_as_they_end(self) -> None:
        await self.asked()
        self.last_port = self.port
        asked: list[float] = []

        def pause(seconds: float) -> None:
            asked.append(seconds)
            if len(asked) == 2:
                raise KeyboardInterrupt
            blockingCallFromThread(reactor, lambda: Deferred.fromCoroutine(self.ask("again")))

        self.patch(requests_module.time, "sleep", pause)
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.last_port}\nadmin_key = "{ADMIN}"\n'
        )
        arguments = ["requests", "--follow", "--json", "--home", str(self.home)]
        done = await deferToThread(CliRunner().invoke, antigravity, arguments)
        lines = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
        self.assertEqual([line["status"] for line in lines], [200, 404, 200])

    async def test_refused_requests_are_counted_by_reason(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN), api_key=Secret("sk"), auth_mode="strict")
        self.last_port = self.port
        self.assertEqual(await self.ask("hi"), 401)
        url = f"http://127.0.0.1:{self.port}/admin/usage"
        for _ in range(2):
            response = await treq.get(url, headers={"x-api-key": "wrong"}, persistent=False)
            await response.content()
        usage = await self.answers("usage")
        self.assertEqual(usage["refused"], {"invalid_api_key": 3})
        self.assertEqual((usage["requests"], usage["cost"]), (0, 0.0))
        self.assertIn("3 missing or wrong API key", await self.command("usage"))

    async def test_wrong_questions_are_refused(self) -> None:
        await self.asked()
        for path in ("requests?limit=0", "requests?moon=1", "usage?by=moon", "requests/none"):
            response = await treq.get(
                f"http://127.0.0.1:{self.port}/admin/{path}",
                headers={"x-api-key": ADMIN},
                persistent=False,
            )
            body = await treq.json_content(response)
            self.assertIn(response.code, (400, 404), body)
        url = f"http://127.0.0.1:{self.port}/admin/requests"
        response = await treq.get(url, persistent=False)
        await response.content()
        self.assertEqual(response.code, 401)


@pytest.mark.parametrize("kind", [RequestQuestion, UsageQuestion])
@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("moment", ["nan", "inf", "-inf", "1e300", "-1"])
def test_times_that_the_database_cannot_hold_are_refused(kind: Any, name: str, moment: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({name: moment}, kind, strict=False)


def test_times_can_be_written_in_several_ways() -> None:
    now = datetime(2026, 11, 30, 10, 30).timestamp()
    assert read_time("90m", now) == now - 5400
    assert read_time("7d", now) == now - 7 * 86_400
    midnight = datetime(2026, 11, 30)
    assert read_time("today", now) == midnight.timestamp()
    assert read_time("yesterday", now) == (midnight - timedelta(days=1)).timestamp()
    assert read_time("2026-11-29", now) == datetime(2026, 11, 29).timestamp()
    assert read_time("2026-11-29T10:00:00+00:00", time.time()) == 1_795_946_400
    with pytest.raises(click.BadParameter):
        read_time("soon", now)
