"""The connection between the main process and a worker."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from antigravity.interfaces.spending import RESERVATION_TTL
from antigravity.interfaces.state import StateError
from antigravity.keys.spending import MemorySpending
from antigravity.testing.spending_conformance import SpendingConformance
from antigravity.workers.channel import Channel, ChannelFactory
from antigravity.workers.commands import OF_MAIN, OF_WORKER
from antigravity.workers.spending import MainSpending
from tests.support.conditions import eventually

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers need descriptors to inherit")
reactor: Any = default_reactor


class Worker:
    """Has some of the methods that the main process calls."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.reply: Any = True

    def cancel(self, request_id: str) -> Any:
        self.cancelled.append(request_id)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


class ChannelCase(TestCase):
    """Both sides, in this process."""

    def open(self, main: Any, worker: Any) -> tuple[Channel, Channel]:
        """Return the connection as the main process has it, and as the worker does."""
        self.lost: list[str] = []
        sides = (
            Channel(reactor, main, OF_MAIN, lambda: self.lost.append("main")),
            Channel(reactor, worker, OF_WORKER, lambda: self.lost.append("worker")),
        )
        for end, side in zip(socket.socketpair(), sides, strict=True):
            end.setblocking(False)
            reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, ChannelFactory(side))
            end.close()
        self.sides = sides
        return sides

    async def tearDown(self) -> None:  # type: ignore[override]
        for side in self.sides:
            side.close()
        await eventually(lambda: len(self.lost) == 2)


class ChannelTests(ChannelCase):
    def setUp(self) -> None:
        self.worker = Worker()
        self.main, self.other = self.open(object(), self.worker)

    async def test_calls_are_served_in_their_order(self) -> None:
        for number in range(3):
            self.main.tell("cancel", f"req_{number}")
        self.assertIs(await self.main.call("cancel", "req_3"), True)
        self.assertEqual(self.worker.cancelled, [f"req_{number}" for number in range(4)])

    async def test_long_values_pass(self) -> None:
        await self.main.call("cancel", "x" * 300_000)
        self.assertEqual(self.worker.cancelled, ["x" * 300_000])

    async def test_failure_says_no_more_than_its_kind(self) -> None:
        self.worker.reply = ValueError("a secret")
        with self.assertRaises(StateError) as raised:
            await self.main.call("cancel", "req")
        self.assertIn("cancel failed: ValueError", str(raised.exception))
        self.assertNotIn("secret", str(raised.exception))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_state_error_passes_as_it_is(self) -> None:
        self.worker.reply = fail(StateError("out of reach"))
        with self.assertRaises(StateError) as raised:
            await self.main.call("cancel", "req")
        self.assertIn("out of reach", str(raised.exception))

    async def test_side_serves_its_own_methods_only(self) -> None:
        with self.assertRaises(StateError):
            await self.other.call("cancel", "req")
        self.assertEqual(self.worker.cancelled, [])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_call_without_response_fails_in_time(self) -> None:
        self.worker.reply = never = Deferred()
        with self.assertRaises(StateError) as raised:
            await self.main.call("cancel", "req", timeout=0.05)
        self.assertIn("does not respond", str(raised.exception))
        never.callback(True)

    async def test_calls_fail_when_the_other_side_is_gone(self) -> None:
        self.worker.reply = Deferred()
        waiting = self.main.call("cancel", "req")
        await eventually(lambda: self.worker.cancelled)
        self.other.close()
        with self.assertRaises(StateError):
            await waiting
        await eventually(lambda: len(self.lost) == 2)
        with self.assertRaises(StateError):
            await self.main.call("cancel", "req")


class MainSpendingTests(SpendingConformance, ChannelCase):
    """The budgets of the main process, as workers have them."""

    def setUp(self) -> None:
        self.clock = Clock()
        _, worker = self.open(MemorySpending(self.clock.seconds), object())
        self.spending = MainSpending(worker.call)

    async def open_spending(self) -> Any:
        return self.spending

    async def pass_ttl(self) -> None:
        self.clock.advance(RESERVATION_TTL)
