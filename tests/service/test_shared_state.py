"""Gateways that share state on a real Redis server: what operators see, a loss, and a reload."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest
import treq
from click.testing import CliRunner
from msgspec.structs import replace
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue

from antigravity.cli.main import antigravity
from antigravity.config.errors import ConfigurationError
from antigravity.config.secret import Secret
from antigravity.config.state_settings import StateSettings
from tests.service.account_fixture import AccountCase
from tests.support.conditions import eventually
from tests.support.doc_examples import example_of
from tests.support.redis import RedisServer

ADMIN = "sk-admin"


class GatewayCase(AccountCase):
    async def share(self, url: str, **options: Any) -> None:
        """Start a gateway that shares the state at ``url``."""
        await self.start("one", admin_key=Secret(ADMIN), **options)
        await self.use(url)

    async def use(self, url: str) -> None:
        self.settings = replace(self.settings, state=StateSettings(Secret(url)))
        assert self.gateway is not None
        await self.gateway.reload()

    @property
    def port(self) -> int:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return int(self.gateway.listener.ports[0].getHost().port)

    async def page(self, path: str) -> str:
        response = await treq.get(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"authorization": f"Bearer {ADMIN}"},
            persistent=False,
        )
        self.assertEqual(response.code, 200)
        return str(await response.text())

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.page("/admin/status"))["state"]
        return found

    async def numbers(self) -> dict[str, float]:
        lines = (await self.page("/metrics")).splitlines()
        return {
            name.removeprefix("antigravity_state_"): float(value)
            for name, _, value in (line.partition(" ") for line in lines)
            if name.startswith("antigravity_state_") and "_created" not in name
        }

    async def command(self, *arguments: str) -> Any:
        done = await deferToThread(
            CliRunner().invoke, antigravity, [*arguments, "--home", str(self.home)]
        )
        return done.exit_code, done.output

    async def doctor(self) -> tuple[int, str]:
        out, err, code = await getProcessOutputAndValue(
            sys.executable,
            ["-m", "antigravity", "doctor", "--home", str(self.home)],
            env=dict(os.environ),
        )
        return code, (out + err).decode()


class RedisGatewayTests(GatewayCase):
    @pytest.fixture(autouse=True)
    def use_server(self, redis: RedisServer) -> None:
        self.redis = redis

    async def test_operator_sees_loss_and_return(self) -> None:
        await self.share(self.redis.url())
        self.assertEqual(await self.ask(), 200)
        found = await self.state()
        self.assertEqual((found["name"], found["problem"]), (self.redis.url(), ""))
        numbers = await self.numbers()
        self.assertEqual(
            numbers, {"connected": 1, "gateways": 1, "failed_calls_total": 0, "losses_total": 0}
        )
        self.redis.stop()
        assert self.gateway is not None
        with pytest.raises(Exception, match=r"redis\+unix"):
            await self.gateway.state.get("a")
        self.assertEqual(await self.ask(), 200)
        self.assertIn("redis+unix", (await self.state())["problem"])
        numbers = await self.numbers()
        self.assertEqual((numbers["connected"], numbers["losses_total"]), (0, 1))
        self.assertGreaterEqual(numbers["failed_calls_total"], 1)
        self.redis.start()
        await eventually(lambda: self.gateway and not self.gateway.state.is_lost)
        self.assertEqual(await self.ask(), 200)
        self.assertEqual((await self.state())["problem"], "")

    async def test_gateways_share_token(self) -> None:
        await self.share(self.redis.url())
        self.assertEqual(await self.ask(), 200)
        tokens = [r for r in self.simulator.log if r.path == "/token"]
        first = self.gateway
        await self.run_gateway()
        second = self.gateway
        assert first is not None
        self.addCleanup(first.stopService)
        self.assertEqual(second.state.gateways, 2)  # type: ignore[union-attr]
        self.assertEqual(await self.ask(), 200)
        after = [r for r in self.simulator.log if r.path == "/token"]
        self.assertEqual(len(after), len(tokens))

    async def test_reload_ends_and_begins_sharing(self) -> None:
        await self.share("")
        self.assertEqual((await self.state())["name"], "")
        self.assertEqual(await self.numbers(), {})
        await self.use(self.redis.url())
        self.assertEqual((await self.state())["name"], self.redis.url())
        with pytest.raises(ConfigurationError, match="database"):
            await self.use("redis://u:veiled@h/name")
        self.assertEqual((await self.state())["name"], self.redis.url())
        self.settings = replace(self.settings, state=StateSettings())
        await self.use("")
        self.assertEqual((await self.state())["name"], "")

    async def test_doctor_and_status_show_state(self) -> None:
        await self.share(self.redis.url())
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
            f'[state]\nurl = "{self.redis.url()}"\n'
        )
        _, text = await self.doctor()
        self.assertIn(f"state: {self.redis.url()} can be used: Redis ", text)
        code, text = await self.command("status")
        self.assertEqual(code, 0, text)
        self.assertIn(f"Shared state: {self.redis.url()}, 1 gateway", text)
        self.redis.stop()
        code, text = await self.doctor()
        self.assertEqual(code, 1)
        self.assertIn("FAIL  state: redis+unix", text)


class PluginGatewayTests(GatewayCase):
    async def test_plugin_brings_backend_that_loads_later(self) -> None:
        await self.share("room:blue", extra=[("rooms", example_of("register_stores"))])
        assert self.gateway is not None
        await self.gateway.state.put("a", b"1", 60)
        first = self.gateway
        await self.run_gateway()
        self.addCleanup(first.stopService)
        self.assertEqual(await self.gateway.state.get("a"), b"1")
        self.assertEqual((await self.state())["name"], "room:blue")

    async def test_unknown_scheme_names_the_known_ones(self) -> None:
        await self.share("", extra=[("rooms", example_of("register_stores"))])
        with pytest.raises(ConfigurationError, match=r"redis:.*room:") as caught:
            await self.use("veiled:x")
        self.assertNotIn("veiled", str(caught.value))
