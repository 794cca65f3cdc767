"""State on a real Redis server: it conforms, and says when the server is away."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from antigravity.interfaces.state import WINDOW_PARTS, SlotClaim, StateError, WindowClaim
from antigravity.state.redis_address import RedisAddress
from antigravity.testing.state_conformance import StateConformance
from tests.support.conditions import eventually
from tests.support.redis import RedisServer


class RedisCase(TestCase):
    @pytest.fixture(autouse=True)
    def use_server(self, redis: RedisServer) -> None:
        self.redis = redis

    async def open_state(self, **options: str) -> Any:
        from antigravity.state.redis import RedisState

        state = RedisState(reactor, RedisAddress(self.redis.url()), **options)
        self.addCleanup(state.stop)
        await state.start()
        return state


class RedisStateTests(RedisCase, StateConformance):
    reactor = reactor
    unit = 0.5

    @pytest.fixture(autouse=True)
    def be_patient(self, redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let many requests take as long as a busy machine needs."""
        from antigravity.state import redis as module

        monkeypatch.setattr(module, "_TIMEOUT", 60.0)


class ServerTests(RedisCase):
    async def test_everything_expires(self) -> None:
        state = await self.open_state()
        await state.put("a", b"1", 60)
        await state.claim([WindowClaim("w", 1, 5, 60), SlotClaim("s", "h", 1, 60)])
        for key in ("v:a", "w:w", "s:s"):
            left = int(self.redis.send(f"PTTL {{antigravity}}:{key}")[1:])
            self.assertGreater(left, 50_000)
            self.assertLessEqual(left, 65_100)

    async def test_window_counts_its_parts_and_no_older_one(self) -> None:
        state = await self.open_state()
        step = 30 * 86400.0  # so long that none ends during the test
        claim = WindowClaim("w", 0, 100, step * WINDOW_PARTS)
        place = (await state.claim([claim])).states[0].place
        for age, used in ((WINDOW_PARTS + 1, 50), (WINDOW_PARTS, 7), (1, 2)):
            self.redis.send(f"HSET {{antigravity}}:w:w {place - age} {used}")
        found = (await state.claim([claim])).states[0]
        self.assertEqual((found.used, found.place), (9, place))
        self.assertEqual(self.redis.send("HLEN {antigravity}:w:w").strip(), b":2")
        refused = await state.claim([replace(claim, amount=95)])
        self.assertFalse(refused.granted)
        self.assertLessEqual(refused.states[0].retry_in, step)  # until the oldest part ends
        refused = await state.claim([replace(claim, amount=99)])
        self.assertGreater(refused.states[0].retry_in, step * (WINDOW_PARTS - 1))
        self.assertLessEqual(refused.states[0].retry_in, step * WINDOW_PARTS)

    async def test_prefixes_keep_gateways_apart(self) -> None:
        one, two = await self.open_state(), await self.open_state(prefix="other")
        await one.put("a", b"1", 60)
        self.assertIsNone(await two.get("a"))

    async def test_forgotten_scripts_are_sent_again(self) -> None:
        state = await self.open_state()
        self.assertTrue(await state.replace("a", None, b"1", 60))
        self.redis.send("SCRIPT FLUSH")
        found = await gatherResults([state.replace("a", b"1", b"1", 60) for _ in range(5)])
        self.assertEqual(found, [True] * 5)

    async def test_claim_takes_one_round_trip(self) -> None:
        state = await self.open_state()
        claims = [
            WindowClaim("w", 1, 5, 60),
            WindowClaim("t", 1, 5, 60),
            SlotClaim("s", "h", 9, 60),
        ]
        await state.claim(claims)
        before = self.commands("eval")
        await state.claim(claims)
        self.assertEqual(self.commands("eval") - before, 1)

    def commands(self, name: str) -> int:
        """Return how many commands with this beginning of a name the server has had."""
        lines = self.redis.send("INFO commandstats").decode().splitlines()
        found = [line for line in lines if line.startswith(f"cmdstat_{name}")]
        return sum(int(line.split("calls=")[1].split(",")[0]) for line in found)

    async def test_renewed_slots_expire(self) -> None:
        state = await self.open_state()
        await state.renew([SlotClaim("new", "h", 1, 60), SlotClaim("new", "i", 1, 5)])
        left = self.redis.send("PTTL {antigravity}:s:new")
        self.assertGreater(int(left[1:]), 50_000)

    async def test_server_is_away_and_comes_back(self) -> None:
        state = await self.open_state()
        seen: list[bytes] = []
        await state.subscribe("c", seen.append)
        await state.put("a", b"1", 60)
        self.redis.stop()
        for attempt in (lambda: state.get("a"), lambda: state.claim([SlotClaim("s", "h", 1, 60)])):
            with pytest.raises(StateError, match=r"redis\+unix:///"):
                await attempt()
        self.redis.start()
        await eventually(lambda: state._commands.size and state._messages.size)
        while not seen:  # it may listen a moment later
            await state.publish("c", b"again")
            await deferLater(reactor, 0.02)  # type: ignore[arg-type]
        self.assertEqual(seen[0], b"again")
        self.assertIsNone(await state.get("a"))

    async def test_state_starts_while_server_is_away(self) -> None:
        from antigravity.state import redis

        self.patch(redis, "_START_TIMEOUT", 0.2)
        self.redis.stop()
        state = await self.open_state()
        with pytest.raises(StateError, match="not connected"):
            await state.get("a")
        with pytest.raises(StateError):
            await state.subscribe("c", lambda message: None)
        self.assertEqual(state._channels(), [])
        self.redis.start()
        await eventually(lambda: state._commands.size)
        self.assertIsNone(await state.get("a"))


class StartTests(TestCase):
    """A start without a server."""

    async def test_connections_that_are_late_leave_no_failure(self) -> None:
        from antigravity.state import redis

        self.patch(redis, "_START_TIMEOUT", 0.01)
        state = redis.RedisState(reactor, RedisAddress("redis+unix:///nowhere/redis.sock"))
        waiting = [state._commands.deferred, state._messages.deferred]
        await state.start()
        await state.stop()
        await deferLater(reactor, 0)  # type: ignore[arg-type]
        for each in waiting:  # otherwise the log shows it at some time
            self.assertIsNone(self.successResultOf(each))


class Transport(StringTransport):
    """A transport that can be resumed when it was aborted, as those of sockets can."""

    def resumeProducing(self) -> None:
        if not self.disconnecting:
            super().resumeProducing()


class ConnectionTests(TestCase):
    """A connection whose server is late, without a server."""

    def setUp(self) -> None:
        from antigravity.state.redis import _Factory

        self.clock = Clock()
        factory = _Factory(RedisAddress("redis://h"), 1)
        self.connection = factory.protocol(None, dbid=None, convertNumbers=False)
        self.connection.factory = factory
        self.connection.callLater = self.clock.callLater
        self.transport = Transport()
        self.connection.makeConnection(self.transport)

    def test_late_replies_reach_no_later_command(self) -> None:
        from txredisapi import ConnectionError as NotConnected

        waiting = [self.connection.get("a"), self.connection.delete("b")]
        # What follows a text is read in a later turn, which may be too late.
        self.connection.dataReceived(b"$5\r\nvalue\r\n:1\r\n:7\r\n")
        self.assertEqual(self.successResultOf(waiting.pop(0)), b"value")
        self.connection._timer.cancel()
        self.connection._silent_checks = 2
        self.connection._check()
        self.assertTrue(self.transport.disconnecting)
        with pytest.raises(NotConnected):
            self.connection.get("c")
        self.clock.advance(1)
        self.assertEqual(list(self.connection.replyQueue.pending), [])
        self.connection.connectionLost(Failure(ConnectionLost()))
        for each in waiting:
            self.failureResultOf(each, NotConnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silent_connection_ends_after_three_checks(self) -> None:
        reply = self.connection.get("a")
        self.clock.pump([1.0] * 2)
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(self.transport.disconnecting)
        self.connection.connectionLost(Failure(ConnectionLost()))
        self.failureResultOf(reply)

    def test_connection_that_stood_still_but_once_stays(self) -> None:
        replies = [self.connection.get("a"), self.connection.get("b")]
        self.clock.advance(60)  # timers first, then what has arrived meanwhile
        self.connection.dataReceived(b"$1\r\n1\r\n")
        self.assertEqual(self.successResultOf(replies[0]), b"1")
        self.clock.pump([1.0] * 2)
        self.assertFalse(self.transport.disconnecting)
        self.connection.dataReceived(b"$1\r\n2\r\n")
        self.assertEqual(self.successResultOf(replies[1]), b"2")
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class AddressTests(TestCase):
    def test_password_is_hidden(self) -> None:
        address = RedisAddress("rediss://me:p%40ss@redis.example:6380/3")
        self.assertEqual((address.user, address.password, address.database), ("me", "p@ss", 3))
        self.assertEqual(repr(address), "RedisAddress('rediss://redis.example:6380/3')")

    def test_wrong_addresses_are_refused_without_quoting(self) -> None:
        for url in (
            "http://me:veiled@h",
            "redis://me:veiled@h/name",
            "redis://me:veiled@h:x",
            "redis://h:veiled",
            "redis://[veiled",
        ):
            with pytest.raises(ValueError, match="Redis") as caught:
                RedisAddress(url)
            self.assertNotIn("veiled", str(caught.value))
