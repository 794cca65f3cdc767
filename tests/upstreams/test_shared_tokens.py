"""One gateway of several renews each access token: over memory, and over a real Redis server."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from antigravity.builtin.state import RedisKind
from antigravity.state.shared import SharedState
from antigravity.upstreams.codeassist.shared_tokens import SharedToken
from tests.support.redis import RedisServer
from tests.support.shared_memory import SharedMemory
from tests.upstreams.fake_codeassist import TOKEN_URL, Case, Service
from tests.upstreams.fakes import FakeResponse, credential


class SharedTokenTests(Case):
    """Gateways, each with its own names of accounts, and one OAuth server."""

    def setUp(self) -> None:
        self.service = Service()
        self.clock = self.service.clock
        self.shared = SharedMemory(self.clock)
        self.states: list[Any] = []
        self.upstreams = [self.upstream() for _ in range(3)]

    def upstream(self) -> Any:
        state = self.shared.gateway()
        self.addCleanup(state.stop)
        self.states.append(state)
        self.service.services = replace(self.service.services, state=state)
        return self.service.upstream(project="p")

    def token(self, number: int, secret: str = "rt-1") -> str:
        """Return the token that a gateway sends."""
        account = replace(credential(secret), id=f"own-name-{number}")
        request = self.prepared(self.upstreams[number], credential=account)[0]
        return dict(request.headers)["authorization"].removeprefix("Bearer ")

    @property
    def refreshes(self) -> int:
        return len(self.service.calls(TOKEN_URL))

    def test_gateways_use_one_token_until_it_expires(self) -> None:
        for expected in (1, 2, 3):
            tokens = [self.token(number) for number in (0, 1, 2, 0, 1, 2)]
            self.assertEqual((tokens, self.refreshes), ([f"at-{expected}"] * 6, expected))
            self.clock.advance(3599 - 300)

    def test_known_token_needs_no_call(self) -> None:
        self.token(0)
        calls = len(self.shared.calls)
        self.token(0)
        self.assertEqual(len(self.shared.calls), calls)

    def test_gateways_wait_for_the_one_that_renews(self) -> None:
        self.service.waiting = waiting = []
        preparing = [self.prepare(each) for each in self.upstreams]
        self.clock.pump([0.3] * 20)
        self.assertEqual(len(waiting), 1)
        waiting[0].callback(FakeResponse(200, {"access_token": "new", "expires_in": 3599}))
        self.clock.pump([1.0] * 3)
        for each in preparing:
            headers = dict(self.successResultOf(each)[0].headers)
            self.assertEqual(headers["authorization"], "Bearer new")
        self.assertEqual(self.refreshes, 1)

    def test_lease_of_vanished_gateway_ends_soon(self) -> None:
        self.service.waiting = waiting = []
        vanished = self.prepare(self.upstreams[0])
        other = self.prepare(self.upstreams[1])
        self.clock.pump([1.0] * 2)
        self.successResultOf(self.states[0].stop())
        self.clock.pump([0.5] * 16)
        self.assertEqual(len(waiting), 2)
        waiting[1].callback(FakeResponse(200, {"access_token": "new", "expires_in": 3599}))
        headers = dict(self.successResultOf(other)[0].headers)
        self.assertEqual(headers["authorization"], "Bearer new")
        vanished.cancel()
        self.failureResultOf(vanished)

    def test_slow_renewal_keeps_lease(self) -> None:
        self.service.waiting = waiting = []
        preparing = [self.prepare(each) for each in self.upstreams]
        self.clock.pump([0.5] * 56)
        self.assertEqual(len(waiting), 1)
        waiting[0].callback(FakeResponse(200, {"access_token": "new", "expires_in": 3599}))
        self.clock.pump([1.0] * 3)
        for each in preparing:
            self.successResultOf(each)
        self.assertEqual((self.refreshes, self.leases()), (1, 0))

    def test_renewal_without_end_loses_lease(self) -> None:
        self.service.waiting = waiting = []
        endless = self.prepare(self.upstreams[0])
        self.clock.pump([1.0] * 30)
        other = self.prepare(self.upstreams[1])
        self.clock.pump([1.0] * 15)
        self.assertEqual(len(waiting), 2)
        for each in (endless, other):
            each.cancel()
            self.failureResultOf(each)

    def test_failed_renewal_lets_another_gateway_try_at_once(self) -> None:
        self.service.waiting = waiting = []
        failing = self.prepare(self.upstreams[0])
        other = self.prepare(self.upstreams[1])
        waiting[0].callback(FakeResponse(500, {}))
        self.failureResultOf(failing)
        self.clock.advance(0.1)
        self.assertEqual(len(waiting), 2)
        waiting[1].callback(FakeResponse(200, {"access_token": "new", "expires_in": 3599}))
        self.successResultOf(other)

    def test_release_ends_lease_that_is_claimed_meanwhile(self) -> None:
        self.service.waiting = waiting = []
        asked = self.prepare(self.upstreams[0])
        self.shared.waiting = claims = []
        self.clock.advance(1.5)
        self.shared.waiting = None
        asked.cancel()
        self.failureResultOf(asked)
        self.assertEqual((len(waiting), len(claims), self.leases()), (1, 1, 0))
        claims[0].callback(None)
        self.assertEqual(self.leases(), 0)
        before = len(self.shared.calls)
        self.clock.advance(8)
        self.assertEqual(len(self.shared.calls), before)

    def leases(self) -> int:
        """Return how many leases there are."""
        slots = self.shared.memory._slots
        return sum(len(each.holders) for name, each in slots.items() if name.startswith("oauth:"))

    def test_cancelled_renewal_ends_lease(self) -> None:
        self.service.waiting = []
        first = self.prepare(self.upstreams[0])
        first.cancel()
        self.failureResultOf(first)
        self.service.waiting = None
        self.assertEqual(self.token(1), "at-1")

    def test_refused_token_is_renewed_once(self) -> None:
        for number in range(3):
            self.token(number)
        self.clock.advance(60)
        for number, upstream in enumerate(self.upstreams):
            account = replace(credential("rt-1"), id=f"own-name-{number}")
            self.assertTrue(upstream._tokens.renews(account, "at-1"))
        tokens = [self.token(number) for number in range(3)]
        self.assertEqual((tokens, self.refreshes), (["at-2"] * 3, 2))

    def test_accounts_have_tokens_of_their_own(self) -> None:
        self.assertEqual([self.token(0), self.token(1, "rt-2")], ["at-1", "at-2"])

    def test_lost_state_costs_one_refresh_per_gateway(self) -> None:
        self.shared.is_away = True
        tokens = [self.token(number) for number in (0, 1, 2, 0, 1, 2)]
        self.assertEqual(tokens, ["at-1", "at-2", "at-3"] * 2)

    def test_short_token_is_not_shared(self) -> None:
        self.service.answers["token"] = lambda request: (
            200,
            {"access_token": "short", "expires_in": 60},
        )
        self.token(0)
        self.assertEqual(self.stored(), {})

    def test_state_has_neither_token_in_the_clear(self) -> None:
        self.token(0)
        ((name, value),) = self.stored().items()
        for secret in (b"at-1", b"rt-1"):
            self.assertNotIn(secret, value)
            self.assertNotIn(secret, name.encode())
        self.assertNotIn("at-1", repr(SharedToken("at-1", 0, 0)))

    def test_value_of_somebody_else_is_ignored(self) -> None:
        self.token(0)
        (name,) = self.stored()
        for value in (b"", b"short", bytes(100)):
            self.shared.memory.put(name, value, 60)
            self.upstreams[1] = self.upstream()
            self.token(1)
        self.assertEqual(self.refreshes, 4)

    def stored(self) -> dict[str, bytes]:
        return {name: value for name, (value, _) in self.shared.memory._others.items()}


class RedisTokenTests(TestCase):
    @pytest.fixture(autouse=True)
    def use_server(self, redis: RedisServer) -> None:
        self.redis = redis

    async def test_gateways_renew_once(self) -> None:
        service = Service()
        tokens = []
        for number in range(4):
            state = SharedState(reactor)
            self.addCleanup(state.stop)
            await state.use(self.redis.url(), "local", {"redis+unix": RedisKind()})
            service.services = replace(
                service.services,
                state=state,
                clock=reactor,  # type: ignore[arg-type]
            )
            tokens.append((service.upstream(project="p")._tokens, f"own-name-{number}"))
        service.waiting = []
        asked = [
            each.token(replace(credential("rt-1"), id=name)) for each, name in tokens for _ in "12"
        ]
        while not service.waiting:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        await deferLater(reactor, 0.2)  # type: ignore[arg-type]
        (waiter,) = service.waiting
        waiter.callback(FakeResponse(200, {"access_token": "new", "expires_in": 3599}))
        self.assertEqual(await gatherResults(asked), ["new"] * 8)
        self.assertEqual(len(service.calls(TOKEN_URL)), 1)
