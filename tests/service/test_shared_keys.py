"""Two gateways whose keys and budgets are in one PostgreSQL database."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from antigravity.app.gateway import Gateway
from antigravity.config.key_settings import KeySettings
from antigravity.config.ledger_settings import LedgerSettings
from antigravity.config.secret import Secret
from antigravity.interfaces.state import StateError
from antigravity.keys.key_file import FILE_NAME
from tests.service.key_fixture import OWN, KeyCase
from tests.support.conditions import eventually
from tests.support.postgres import PostgresServer

#: What a request reserves with this many tokens of output, at $2.50 per million, and what it costs.
OUTPUT = 1000


class SharedKeyCase(KeyCase):
    reactor: Any = reactor

    @pytest.fixture(autouse=True)
    def use_server(self, postgres: PostgresServer) -> None:
        self.postgres = postgres
        self.url = postgres.url(password="veiled-password")

    async def open_two(self) -> None:
        """Start two gateways; each has a home of its own."""
        await self.open_with_keys("one")
        self.settings = replace(self.settings, keys=KeySettings(Secret(self.url)))
        assert self.gateway is not None
        await self.gateway.reload()
        self.gateways = [self.gateway]
        first, self.home = self.home, Path(self.mktemp())
        self.home.mkdir()
        (first / "accounts").rename(self.home / "accounts")
        (first / "accounts").symlink_to((self.home / "accounts").resolve())
        await self.run_gateway()
        assert self.gateway is not None
        self.gateways.append(self.gateway)
        self.addCleanup(self.stop_all)
        self.use(0)

    def use(self, number: int) -> Gateway:
        """Send the next requests to one of the gateways."""
        self.gateway = found = self.gateways[number]
        return found

    async def stop_all(self) -> None:
        self.gateway = None
        for each in self.gateways:
            await each.stopService()

    async def codes(self, key: str, count: int) -> list[int]:
        """Return the codes of many requests at once, every second one to the other gateway."""
        return [each.code for each in await gatherResults(self.send(key, count))]

    def send(self, key: str, count: int) -> list[Deferred[Any]]:
        """Send many requests at once, every second one to the other gateway."""
        sent = []
        for number in range(count):
            self.use(number % len(self.gateways))
            sent.append(Deferred.fromCoroutine(self.chat(key, "hi", max_tokens=OUTPUT)))
        return sent

    async def budget(self, key: str) -> Any:
        return (await self.get("/v1/usage", key))["budgets"][0]

    async def settled_budget(self, key: str) -> Any:
        """Return what is left of a budget when all requests are settled, soon after responses."""
        while (found := await self.budget(key))["reserved"]:
            await deferLater(self.reactor, 0.01)
        return found


class SharedKeyTests(SharedKeyCase):
    async def test_key_made_at_one_gateway_is_valid_at_the_other_within_a_second(self) -> None:
        await self.open_two()
        key = await self.key()
        self.use(1)
        began = time.monotonic()
        while (code := (await self.chat(key)).code) != 200:
            self.assertLess(time.monotonic() - began, 1.0, code)
        self.use(0)
        await self.admin("POST", "/admin/keys/laptop/disable")
        self.use(1)
        began = time.monotonic()
        while (code := (await self.chat(key)).code) != 401:
            self.assertLess(time.monotonic() - began, 1.0, code)
        for number in range(2):
            self.use(number)
            status = await self.admin("GET", "/admin/status")
            self.assertEqual(status["key_store"]["problem"], "")
            self.assertNotIn("veiled", str(status))

    async def test_requests_at_two_gateways_cannot_overspend(self) -> None:
        await self.open_two()
        key = await self.key(budgets=["0.0085/day"])
        await eventually(lambda: len(self.gateways[1].keys.ring.by_id) == 1)
        codes = await self.codes(key, 60)
        self.assertEqual(set(codes), {200, 429})
        found = await self.settled_budget(key)
        self.assertLessEqual(found["spent"], found["limit"])
        self.use(1)
        self.assertEqual(await self.budget(key), found)

    async def test_only_keys_with_budgets_are_refused_while_the_server_is_away(self) -> None:
        await self.open_two()
        limited, free = await self.key(budgets=["1/day"]), await self.key("free")
        self.assertEqual((await self.chat(limited, max_tokens=OUTPUT)).code, 200)
        before = await self.settled_budget(limited)
        self.postgres.stop()
        began = time.monotonic()
        error = self.refused(await self.chat(limited), 503, "limits_unavailable")
        self.assertNotIn("veiled", str(error))
        body = {
            "model": "gemini-2.5-flash",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "hi"}],
        }
        refused = await self.post("/v1/messages", limited, body)
        self.assertEqual(refused.code, 503)
        self.assertIn('"type":"error"', refused.body_text.replace(" ", ""))
        self.assertEqual((await self.chat(free)).code, 200)
        self.assertLess(time.monotonic() - began, 10)
        await self.admin("POST", "/admin/keys/free/disable", status=503)
        await eventually(lambda: bool(self.use(0).keys.status().problem))
        self.assertFalse(self.use(0).metrics.state().has_current_keys)
        self.postgres.start()
        await eventually(lambda: not self.use(0).keys.status().problem, 10)
        self.assertTrue(self.use(0).metrics.state().has_current_keys)
        self.assertEqual(await self.budget(limited), before)
        self.assertEqual((await self.chat(limited)).code, 200)

    async def test_nothing_is_lost_when_the_server_restarts_under_load(self) -> None:
        await self.open_two()
        key = await self.key(budgets=["1/day"])
        await eventually(lambda: len(self.gateways[1].keys.ring.by_id) == 1)
        self.assertEqual((await self.chat(key, "hi", max_tokens=OUTPUT)).code, 200)
        cost = (await self.settled_budget(key))["spent"]
        self.assertGreater(cost, 0)
        codes = []
        for kill in (False, True):
            sent = self.send(key, 30)
            while len([each for each in sent if each.called]) < 5:
                await deferLater(self.reactor, 0.01)
            self.postgres.stop(kill=kill)
            self.postgres.start()
            codes += [each.code for each in await gatherResults(sent)]
        self.assertLessEqual(set(codes), {200, 503})
        self.assertIn(200, codes)
        for number in range(2):
            gateway = self.use(number)
            spending: Any = gateway.keys.spending
            await eventually(lambda each=spending: each.unsettled == 0)
            await eventually(lambda each=gateway: not each.keys.status().problem)
        found = await self.settled_budget(key)
        self.assertAlmostEqual(found["spent"], cost * (1 + codes.count(200)), places=8)

    async def test_settlement_waits_for_the_server(self) -> None:
        await self.open_two()
        key = await self.key(budgets=["1/day"])
        gateway = self.use(0)
        spending: Any = gateway.keys.gate.spending
        ask = spending._ask
        lost = [0]

        def ask_but_lose(sql: str, parameters: Any) -> Any:
            if "settle" in sql:
                lost[0] += 1
                self.postgres.stop()
            return ask(sql, parameters)

        spending._ask = ask_but_lose
        self.assertEqual((await self.chat(key, max_tokens=OUTPUT)).code, 200)
        await eventually(lambda: spending.unsettled == 1)
        self.assertEqual(lost, [1])
        spending._ask = ask
        self.gateways.remove(gateway)
        await gateway.stopService()  # what waits is in a file
        self.postgres.start()
        self.gateway = self.gateways[0]
        await eventually(lambda: self.gateways[0].keys.status().problem == "")
        self.assertGreater((await self.budget(key))["reserved"], 0)
        self.home = gateway._home
        await self.run_gateway()
        assert self.gateway is not None
        self.gateways.append(self.gateway)
        await eventually(lambda: self.gateways[1].keys.gate.spending.unsettled == 0)
        found = await self.budget(key)
        self.assertEqual(found["reserved"], 0)
        self.assertGreater(found["spent"], 0)

    async def test_gateway_starts_with_the_last_keys_while_the_server_is_away(self) -> None:
        await self.open_two()
        limited, free = await self.key(budgets=["1/day"]), await self.key("free")
        await eventually(lambda: len(self.gateways[1].keys.ring.by_id) == 2)
        second = self.gateways.pop()
        await second.stopService()
        self.postgres.stop()
        await self.run_gateway()
        assert self.gateway is not None
        self.gateways.append(self.gateway)
        self.assertEqual((await self.chat(free)).code, 200)
        self.refused(await self.chat(limited), 503, "limits_unavailable")
        (self.home / "state" / "known_keys.json").unlink()
        await self.gateways.pop().stopService()
        await self.run_gateway()
        assert self.gateway is not None
        self.gateways.append(self.gateway)
        self.refused(await self.chat(free), 503, "keys_unavailable")
        self.assertEqual((await self.chat(OWN)).code, 200)
        self.postgres.start()
        await eventually(lambda: self.gateways[1].keys.status().problem == "")
        self.assertEqual((await self.chat(free)).code, 200)
        self.assertEqual((await self.chat(limited)).code, 200)


class MoveTests(SharedKeyCase):
    async def test_keys_and_spending_of_the_home_move_at_the_first_start(self) -> None:
        await self.open_with_keys("one")
        key = await self.key(budgets=["1/month"])
        await self.chat(key, max_tokens=OUTPUT)
        before = await self.settled_budget(key)
        await self.stop()
        self.settings = replace(self.settings, ledger=LedgerSettings(url=Secret(self.url)))
        await self.run_gateway()
        self.assertEqual(await self.budget(key), before)
        self.assertFalse((self.home / FILE_NAME).exists())
        self.assertTrue((self.home / f"{FILE_NAME}.imported").exists())
        self.assertEqual((await self.chat(key)).code, 200)
        await self.stop()
        await self.run_gateway()
        self.assertGreater((await self.settled_budget(key))["spent"], before["spent"])

    async def test_store_out_of_reach_is_no_other_store(self) -> None:
        await self.open_with_keys("one")
        key = await self.key()
        self.postgres.stop()
        self.settings = replace(self.settings, ledger=LedgerSettings(url=Secret(self.url)))
        assert self.gateway is not None
        await self.gateway.reload()
        self.refused(await self.chat(key), 503, "keys_unavailable")
        with pytest.raises(StateError):
            await self.gateway.keys._store.load()
        self.postgres.start()
        await eventually(lambda: not (self.home / FILE_NAME).exists())
        await eventually(lambda: bool(self.gateway and self.gateway.keys.ring.by_id))
        self.assertEqual((await self.chat(key)).code, 200)
