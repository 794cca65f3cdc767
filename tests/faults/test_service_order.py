"""What starts first stops last, one after the other, and running work gets its time."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.services import Closing, Drain, SequentialService


class Child(Service):
    """Writes down when it is started and stopped; ``stopping`` is waited for."""

    def __init__(self, name: str, events: list[str], stopping: Any = None) -> None:
        self.setName(name)
        self._events = events
        self._stopping = stopping

    def startService(self) -> None:
        super().startService()
        self._events.append(f"start {self.name}")

    def stopService(self) -> Any:
        super().stopService()
        self._events.append(f"stop {self.name}")
        if isinstance(self._stopping, Exception):
            raise self._stopping
        return self._stopping


class Order(SynchronousTestCase):
    def setUp(self) -> None:
        self.events: list[str] = []
        self.parent = SequentialService()

    def add(self, name: str, stopping: Any = None) -> None:
        Child(name, self.events, stopping).setServiceParent(self.parent)

    def test_the_last_one_stops_first_and_is_waited_for(self) -> None:
        waiting: Deferred[None] = Deferred()
        self.add("store")
        self.add("transport", waiting)
        self.add("listener")
        self.parent.startService()
        stopped = self.parent.stopService()
        self.assertEqual(
            self.events,
            [
                "start store",
                "start transport",
                "start listener",
                "stop listener",
                "stop transport",
            ],
        )
        self.assertNoResult(stopped)
        waiting.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.events[-1], "stop store")
        self.assertFalse(self.parent.running)

    def test_one_that_fails_to_stop_does_not_keep_the_others(self) -> None:
        self.add("store")
        self.add("late", fail(RuntimeError("late")))
        self.add("at once", RuntimeError("at once"))
        self.parent.startService()
        self.successResultOf(self.parent.stopService())
        self.assertEqual(self.events[-3:], ["stop at once", "stop late", "stop store"])
        self.assertEqual(
            [str(failure.value) for failure in self.flushLoggedErrors(RuntimeError)],
            ["at once", "late"],
        )

    def test_one_that_joins_a_running_parent_is_started(self) -> None:
        self.parent.startService()
        self.add("later")
        self.assertEqual(self.events, ["start later"])

    def test_closing_waits_for_what_it_calls(self) -> None:
        waiting: Deferred[None] = Deferred()
        closing = Closing(lambda: waiting)
        closing.startService()
        stopped = closing.stopService()
        self.assertIs(stopped, waiting)
        self.assertFalse(closing.running)


class Draining(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.drain = Drain(self.clock, 10.0)
        self.drain.startService()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_runs(self) -> None:
        self.successResultOf(self.drain.stopService())

    def test_what_runs_is_waited_for(self) -> None:
        one, two = object(), object()
        self.drain.enter(one)
        self.drain.enter(two)
        stopped = self.drain.stopService()
        self.clock.advance(5)
        self.drain.leave(one)
        self.assertNoResult(stopped)
        self.assertEqual(self.drain.active, 1)
        self.drain.leave(two)
        self.assertNoResult(stopped)  # whoever left has yet to write its last bytes
        self.clock.advance(0)
        self.successResultOf(stopped)

    def test_what_comes_in_the_last_turn_is_waited_for(self) -> None:
        self.drain.enter(self)
        stopped = self.drain.stopService()
        self.drain.leave(self)
        self.drain.enter(self.clock)
        self.clock.advance(0)
        self.assertNoResult(stopped)
        self.drain.leave(self.clock)
        self.clock.advance(0)
        self.successResultOf(stopped)

    def test_a_second_signal_in_the_last_turn(self) -> None:
        self.drain.enter(self)
        stopped = self.drain.stopService()
        self.drain.leave(self)
        self.drain.stop_waiting()
        self.successResultOf(stopped)

    def test_not_longer_than_the_grace(self) -> None:
        self.drain.enter(self)
        stopped = self.drain.stopService()
        self.clock.advance(9.9)
        self.assertNoResult(stopped)
        self.clock.advance(0.2)
        self.successResultOf(stopped)
        self.drain.leave(self)

    def test_a_second_signal_ends_the_waiting(self) -> None:
        self.drain.stop_waiting()  # no effect: the drain does not wait yet
        self.drain.enter(self)
        stopped = self.drain.stopService()
        self.assertNoResult(stopped)
        self.drain.stop_waiting()
        self.successResultOf(stopped)
        self.drain.stop_waiting()
        self.drain.leave(self)

    def test_what_ends_twice_or_never_began_does_no_harm(self) -> None:
        self.drain.leave(self)
        self.drain.enter(self)
        self.drain.leave(self)
        self.drain.leave(self)
        self.successResultOf(self.drain.stopService())

    def test_no_grace_is_no_waiting(self) -> None:
        drain = Drain(self.clock, 0.0)
        drain.enter(self)
        stopped = drain.stopService()
        self.clock.advance(0)
        self.successResultOf(stopped)


class Together(SynchronousTestCase):
    def test_the_transport_closes_after_the_last_exchange(self) -> None:
        events: list[str] = []
        parent, clock = SequentialService(), Clock()

        def close() -> Deferred[None]:
            events.append("closed")
            return succeed(None)

        drain = Drain(clock, 10.0)
        Closing(close).setServiceParent(parent)
        drain.setServiceParent(parent)
        parent.startService()
        drain.enter(self)
        stopped = parent.stopService()
        self.assertEqual(events, [])
        drain.leave(self)
        clock.advance(0)
        self.successResultOf(stopped)
        self.assertEqual(events, ["closed"])
