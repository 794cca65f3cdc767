"""Limits of keys over two gateways with one state, and what becomes of them when it is lost."""

from __future__ import annotations

import time
from typing import Any

import pytest
import treq
from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults

from antigravity.config.secret import Secret
from antigravity.config.state_settings import StateSettings
from antigravity.interfaces.state import StateError
from tests.service.account_fixture import MODEL
from tests.service.dashboard_fixture import ADMIN, DashboardCase
from tests.support.conditions import eventually
from tests.support.redis import RedisServer


class SharedLimitTests(DashboardCase):
    @pytest.fixture(autouse=True)
    def use_server(self, redis: RedisServer) -> None:
        self.redis = redis

    async def open_two(self, on_loss: Any) -> str:
        """Start two gateways, and return a key that has four requests per minute at both."""
        await self.open("one", api_key=Secret("sk-operator"), auth_mode="strict")
        key = await self.key(requests_per_minute=4)
        self.settings = replace(
            self.settings, state=StateSettings(Secret(self.redis.url()), on_loss)
        )
        assert self.gateway is not None
        await self.gateway.reload()
        self.gateways = [self.gateway]
        await self.run_gateway()
        self.gateways.append(self.gateway)
        self.addCleanup(self.stop_all)
        for each in self.gateways:
            await each.state._beat()
        self.assertEqual([each.state.gateways for each in self.gateways], [2, 2])
        return key

    async def stop_all(self) -> None:
        """Stop both gateways."""
        self.gateway = None
        for each in self.gateways:
            await each.stopService()

    async def codes(self, key: str, number: int, count: int) -> list[int]:
        """Return the codes of some requests to a gateway, sorted."""
        self.gateway = self.gateways[number]
        return sorted(await gatherResults([self.chat(key) for _ in range(count)]))

    async def key(self, label: str = "laptop", **rules: Any) -> str:
        """Make a key."""
        made: dict[str, Any] = await self.send("/admin/keys", ADMIN, {"label": label, **rules})
        return str(made["key"])

    async def send(self, path: str, key: str, body: object) -> Any:
        response = await treq.post(
            self.address + path,
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            persistent=False,
        )
        return await response.json() if response.code == 200 else {"code": response.code}

    def chat(self, key: str) -> Deferred[Any]:
        """Send a request; return a Deferred with its code."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        sent = Deferred.fromCoroutine(self.send("/v1/chat/completions", key, body))
        return sent.addCallback(lambda reply: reply.get("code", 200))

    async def test_gateways_count_in_one_window(self) -> None:
        key = await self.open_two("local")
        self.assertEqual(await self.codes(key, 0, 3), [200] * 3)
        self.assertEqual(await self.codes(key, 1, 3), [200, 429, 429])
        self.assertEqual(await self.codes(key, 0, 1), [429])

    async def test_each_gateway_grants_its_part_while_state_is_lost(self) -> None:
        key = await self.open_two("local")
        self.redis.stop()
        for number in range(2):
            self.assertEqual(await self.codes(key, number, 4), [200, 200, 429, 429])

    async def test_keys_with_limits_are_refused_if_that_is_wanted(self) -> None:
        key = await self.open_two("refuse")
        free = await self.key("free")
        self.redis.stop()
        for each in self.gateways:
            with pytest.raises(StateError):
                await each.state.get("a")
        self.assertEqual(await self.codes(key, 1, 2), [503, 503])
        self.assertEqual(await self.codes(free, 1, 1), [200])

    async def test_requests_wait_once_for_state_that_stands_still(self) -> None:
        key = await self.open_two("local")
        free = await self.key("free")
        self.redis.pause()
        began = time.monotonic()
        self.assertEqual(await self.codes(free, 1, 1), [200])
        self.assertEqual(await self.codes(key, 1, 3), [200, 200, 429])
        self.assertLess(time.monotonic() - began, 9)  # three checks, a second apart
        self.assertTrue(self.gateways[1].state.is_lost)
        before = self.gateways[1].state.numbers.losses
        self.assertEqual(await self.codes(key, 1, 3), [429] * 3)
        self.assertEqual(self.gateways[1].state.numbers.losses, before)
        self.redis.resume()
        await eventually(lambda: not self.gateways[1].state.is_lost)
