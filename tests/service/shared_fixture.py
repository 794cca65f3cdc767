"""Two gateways that share one state, on a Redis server or on a Unix socket."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.app.gateway import Gateway
from antigravity.config.quota_settings import QuotaSettings
from antigravity.config.secret import Secret
from antigravity.config.state_settings import StateSettings
from antigravity.state.local_server import LocalStateServer
from antigravity.state.memory import MemoryState
from tests.service.account_fixture import AccountCase, reactor
from tests.support.conditions import eventually
from tests.support.redis import RedisServer


class TwoGateways(AccountCase):
    """Two gateways with the same accounts and one state; a subclass says where that is.

    :ivar secret: what encrypts shared contents.
    """

    secret = "the secret of the tests, which is long enough"

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
        state = StateSettings(Secret(self.url()), secret=Secret(self.secret))
        quota = QuotaSettings(refresh_interval=0)  # a quota that is left would end locks
        self.settings = replace(self.settings, state=state, quota=quota)
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


class OnRedis(TwoGateways):
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
class OnSocket(TwoGateways):
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
