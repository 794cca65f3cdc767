"""Two gateways that share the state of accounts, on a Redis server and on a Unix socket."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.app.gateway import Gateway
from antigravity.config.secret import Secret
from antigravity.config.state_settings import StateSettings
from antigravity.state.local_server import LocalStateServer
from antigravity.state.memory import MemoryState
from tests.service.account_fixture import AccountCase, reactor
from tests.support.conditions import eventually
from tests.support.redis import RedisServer

#: Seconds within which a gateway has to know what another one does.
SOON = 0.1


class TwoGateways(AccountCase):
    """Two gateways with the same accounts and one state; a subclass says where that is."""

    def url(self) -> str:
        """Return the address of the state."""
        raise NotImplementedError

    async def lose_state(self) -> None:
        """Make the state unreachable, and forget it."""
        raise NotImplementedError

    async def return_state(self) -> None:
        """Make the state reachable again, and empty."""
        raise NotImplementedError

    async def start_two(self, *secrets: str, **proxy: Any) -> None:
        """Start both."""
        await self.start(*(secrets or ("one",)), **proxy)
        assert self.gateway is not None
        await self.stop()
        self.settings = replace(
            self.settings,
            state=StateSettings(Secret(self.url()), **getattr(self, "state_options", {})),
        )
        self.gateways: list[Gateway] = []
        self.addCleanup(self.stop_all)
        for _ in range(2):
            await self.start_another()

    async def start_another(self) -> Gateway:
        """Start one more gateway."""
        await self.run_gateway()
        assert self.gateway is not None
        self.gateways.append(self.gateway)
        return self.gateway

    async def stop_all(self) -> None:
        """Stop all gateways."""
        self.gateway = None
        for each in self.gateways:
            await each.stopService()

    async def ask_at(self, number: int, text: str = "hi") -> int:
        """Return the status of a request to one of the gateways."""
        self.gateway = self.gateways[number]
        return await self.ask(text)

    def locks(self, number: int) -> list[str]:
        """Return the accounts that a gateway has locked."""
        table = self.gateways[number].accounts.pool._locks
        return sorted(scope.credential or "" for scope, _ in table.active_locks())

    def bound(self, number: int) -> list[str]:
        """Return the accounts that sessions of a gateway are bound to."""
        return sorted(self.gateways[number].accounts.pool._bindings.counts().elements())

    async def lost(self) -> None:
        """Lose the state, and wait until both gateways know."""
        await self.lose_state()
        for each in self.gateways:
            await eventually(lambda each=each: self._is_lost(each))

    async def returned(self) -> None:
        """Bring the state back, and wait until both gateways know."""
        await self.return_state()
        for each in self.gateways:
            await eventually(lambda each=each: not each.state.is_lost)

    def _is_lost(self, gateway: Gateway) -> bool:
        gateway.state.get("a").addErrback(lambda _: None)
        return gateway.state.is_lost


class AccountTests:
    """What two gateways tell each other of accounts, wherever the state is."""

    async def test_lock_is_seen_by_other_gateway_at_once(self: Any) -> None:
        await self.start_two("one", "two")
        self.assertEqual(await self.ask_at(0, "[[error 429 retry=900s times=1]] hi"), 200)
        began = time.monotonic()
        (locked,) = self.locks(0)
        await eventually(lambda: self.locks(1) == [locked])
        self.assertLess(time.monotonic() - began, SOON)
        await self.start_another()
        self.assertEqual(self.locks(2), [locked])
        self.assertEqual(self.gateways[2].accounts.pool.unlock(locked), 1)
        await eventually(lambda: not self.locks(0) + self.locks(1))

    async def test_requests_are_served_while_state_is_lost(self: Any) -> None:
        await self.start_two("one", "two")
        await self.lost()
        self.assertEqual(await self.ask_at(0, "[[error 429 retry=900s times=1]] hi"), 200)
        self.assertEqual([await self.ask_at(number) for number in (0, 1)], [200, 200])
        self.assertEqual(self.locks(1), [])
        locked = self.locks(0)
        await self.returned()
        await eventually(lambda: self.locks(1) == locked)
        self.assertEqual([await self.ask_at(number) for number in (0, 1)], [200, 200])
        await self.start_another()
        self.assertEqual(self.locks(2), locked)

    async def test_sessions_follow_a_move(self: Any) -> None:
        await self.start_two("one", "two", "three")
        text = "[[error 429 retry=900s times=1]] hi"
        self.assertEqual(await self.ask_at(0, text), 200)
        (locked,), (account,) = self.locks(0), self.bound(0)
        await eventually(lambda: (self.locks(1), self.bound(1)) == ([locked], [account]))
        self.assertNotEqual(account, locked)
        self.gateways[1].accounts.pool.unlock(locked)
        self.assertEqual(await self.ask_at(1, text), 200)
        await self.start_another()
        self.assertEqual(await self.ask_at(2, text), 200)
        self.assertEqual([self.bound(number) for number in range(3)], [[account]] * 3)

    async def test_revoked_account_is_disabled_by_both(self: Any) -> None:
        await self.start_two("revoked", "two")
        for number in range(4):
            self.assertEqual(await self.ask_at(0, f"hi {number}"), 200)
        names = [each.accounts.in_use for each in self.gateways]
        await eventually(lambda: [len(list(each.credentials())) for each in names] == [1, 1])


class RedisAccountTests(AccountTests, TwoGateways):
    @pytest.fixture(autouse=True)
    def use_server(self, redis: RedisServer) -> None:
        self.redis = redis

    def url(self) -> str:
        return self.redis.url()

    async def lose_state(self) -> None:
        self.redis.stop()

    async def return_state(self) -> None:
        self.redis.start()


@pytest.mark.skipif(os.name == "nt", reason="there are no Unix sockets")
class LocalAccountTests(AccountTests, TwoGateways):
    async def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="state-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "state.sock"
        await self.return_state()
        self.addCleanup(self.lose_state)

    def url(self) -> str:
        return f"unix:{self.path}"

    async def lose_state(self) -> None:
        await self.server.stop()

    async def return_state(self) -> None:
        self.server = LocalStateServer(reactor, MemoryState(reactor), self.path)
        await self.server.start()
