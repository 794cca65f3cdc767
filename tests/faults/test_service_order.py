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

    def test_services_stop_in_reverse_order_one_after_another(self) -> None:
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

    def test_failing_stop_does_not_prevent_others(self) -> None:
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

    def test_service_added_to_running_parent_is_started(self) -> None:
        self.parent.startService()
        self.add("later")
        self.assertEqual(self.events, ["start later"])

    def test_closing_waits_for_its_function(self) -> None:
        waiting: Deferred[None] = Deferred()
        closing = Closing(lambda: waiting)
        closing.startService()
        stopped = closing.stopService()
        self.assertIs(stopped, waiting)
        self.assertFalse(closing.running)


class DrainTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.drain = Drain(self.clock, 10.0)
        self.drain.startService()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_drain_without_requests_ends_at_once(self) -> None:
        self.successResultOf(self.drain.stopService())

    def test_drain_waits_for_running_requests(self) -> None:
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

    def test_drain_waits_for_request_of_last_turn(self) -> None:
        self.drain.enter(self)
        stopped = self.drain.stopService()
        self.drain.leave(self)
        self.drain.enter(self.clock)
        self.clock.advance(0)
        self.assertNoResult(stopped)
        self.drain.leave(self.clock)
        self.clock.advance(0)
        self.successResultOf(stopped)

    def test_drain_ends_on_second_signal_in_last_turn(self) -> None:
        self.drain.enter(self)
        stopped = self.drain.stopService()
        self.drain.leave(self)
        self.drain.stop_waiting()
        self.successResultOf(stopped)

    def test_drain_ends_after_grace(self) -> None:
        self.drain.enter(self)
        stopped = self.drain.stopService()
        self.clock.advance(9.9)
        self.assertNoResult(stopped)
        self.clock.advance(0.2)
        self.successResultOf(stopped)
        self.drain.leave(self)

    def test_drain_ends_on_second_signal(self) -> None:
        self.drain.stop_waiting()  # no effect: the drain does not wait yet
        self.drain.enter(self)
        stopped = self.drain.stopService()
        self.assertNoResult(stopped)
        self.drain.stop_waiting()
        self.successResultOf(stopped)
        self.drain.stop_waiting()
        self.drain.leave(self)

    def test_drain_ignores_unknown_or_repeated_leave(self) -> None:
        self.drain.leave(self)
        self.drain.enter(self)
        self.drain.leave(self)
        self.drain.leave(self)
        self.successResultOf(self.drain.stopService())

    def test_drain_without_grace_ends_at_once(self) -> None:
        drain = Drain(self.clock, 0.0)
        drain.enter(self)
        stopped = drain.stopService()
        self.clock.advance(0)
        self.successResultOf(stopped)


class Together(SynchronousTestCase):
    def test_transport_closes_after_last_exchange(self) -> None:
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
