"""Workers are started, replaced, renewed one after the other, and stopped; with fake processes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.interfaces.state import StateError
from antigravity.workers.supervisor import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LOOP,
    RENEWAL_GRACE,
    STEADY,
    Supervisor,
    WorkerError,
)


class FakeChannel:
    """Notes what is called, and succeeds as soon as a test lets it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Deferred[None]]] = []

    def call(self, method: str, timeout: float) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.calls.append((method, done))
        return done


class FakeWorker:
    """A worker without a process."""

    def __init__(self, clock: Clock, number: int, services: object) -> None:
        self.number = number
        self.state: Any = "starting"
        self.pid = 0
        self.began = clock.seconds()
        self.problem = ""
        self.report = None
        self.started: Deferred[str] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self.ends: list[tuple[float, bool]] = []
        self.ports: Any = None
        self.channel = FakeChannel()

    def spawn(self, command: object, ports: Any, place: int) -> None:
        self.ports = ports

    def serve(self) -> None:
        self.state = "serving"
        self.started.callback("")

    def die(self, problem: str = "it was ended by signal 9") -> None:
        if self.state != "draining":
            self.problem = problem
        self.state = "ended"
        if not self.started.called:
            self.started.callback(problem)
        self.ended.callback(None)

    def end(self, grace: float, *, lingers: bool) -> None:
        if self.state == "ended" or (self.ends and grace >= self.ends[-1][0]):
            return
        self.ends.append((grace, lingers))
        self.state = "draining"

    def kill(self) -> None:
        self.die("it was killed")

    def refresh(self, timeout: float) -> Deferred[None]:
        return succeed(None)


class SupervisorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.workers: list[FakeWorker] = []
        self.supervisor = Supervisor(
            self.clock,
            2,
            Any,
            lambda sockets: [],
            lambda: 30.0,
            self.make,  # type: ignore[arg-type]
        )

    def make(self, clock: Any, number: int, services: object) -> Any:
        worker = FakeWorker(clock, number, services)
        self.workers.append(worker)
        return worker

    def start(self) -> list[FakeWorker]:
        started = self.supervisor.start([("tcp:1", None)])
        for worker in self.workers:
            worker.serve()
        self.successResultOf(started)
        return list(self.workers)

    def states(self) -> list[tuple[int, str]]:
        return [(each.number, each.state) for each in self.supervisor.status()]

    def test_start_waits_for_all(self) -> None:
        started = self.supervisor.start([])
        self.workers[0].serve()
        self.assertNoResult(started)
        self.workers[1].serve()
        self.successResultOf(started)
        self.assertEqual(self.states(), [(1, "serving"), (2, "serving")])

    def test_start_fails_with_the_problem_and_stops_the_others(self) -> None:
        started = self.supervisor.start([])
        self.workers[0].serve()
        self.workers[1].die("the port is in use")
        self.assertEqual(self.workers[0].ends, [(30.0, False)])
        self.workers[0].die()
        self.assertIn("the port is in use", str(self.failureResultOf(started, WorkerError).value))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_worker_that_ends_is_replaced(self) -> None:
        first, _ = self.start()
        first.die()
        self.assertEqual(self.states(), [(1, "waiting"), (2, "serving")])
        self.clock.advance(FIRST_PAUSE)
        self.assertEqual(self.states(), [(1, "starting"), (2, "serving")])
        self.workers[2].serve()
        status = self.supervisor.status()[0]
        self.assertEqual((status.restarts, status.problem), (1, ""))

    def test_crash_loop_waits_longer_and_is_named(self) -> None:
        self.start()
        pauses = []
        for number in range(12):
            worker = [each for each in self.workers if each.number == 1][-1]
            worker.die("it ended with exit code 3")
            (call,) = self.clock.getDelayedCalls()
            pauses.append(call.getTime() - self.clock.seconds())
            problem = self.supervisor.status()[0].problem
            self.assertEqual("in a row" in problem, number + 1 >= LOOP, problem)
            self.clock.advance(pauses[-1])
        for before, after in pairwise(pauses):
            self.assertAlmostEqual(after, min(LONGEST_PAUSE, 2 * before))
        self.assertEqual(self.supervisor.status()[0].restarts, 12)

    def test_worker_that_served_for_long_begins_anew(self) -> None:
        self.start()
        for _ in range(5):
            worker = [each for each in self.workers if each.number == 1][-1]
            self.clock.advance(STEADY + 1)
            worker.die()
            (call,) = self.clock.getDelayedCalls()
            self.assertAlmostEqual(call.getTime() - self.clock.seconds(), FIRST_PAUSE)
            self.clock.advance(FIRST_PAUSE)
            self.workers[-1].serve()

    def test_renewal_starts_each_before_the_old_one_drains(self) -> None:
        first, second = self.start()
        renewed = self.supervisor.renew([("tcp:2", None)])
        third = self.workers[2]
        self.assertEqual((first.ends, third.ports), ([], [("tcp:2", None)]))
        third.serve()
        self.assertEqual((first.ends, second.ends), ([(RENEWAL_GRACE, True)], []))
        self.workers[3].serve()
        self.assertEqual(second.ends, [(RENEWAL_GRACE, True)])
        self.successResultOf(renewed)
        expected = [(1, "serving"), (2, "serving"), (1, "draining"), (2, "draining")]
        self.assertEqual(self.states(), expected)
        first.die()
        second.die()
        self.assertEqual(self.states(), [(1, "serving"), (2, "serving")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failed_renewal_leaves_the_old_ones(self) -> None:
        first, second = self.start()
        renewed = self.supervisor.renew([])
        self.workers[2].die("no module named x")
        self.assertIn("no module named x", str(self.failureResultOf(renewed, WorkerError).value))
        self.assertEqual((first.ends, second.ends), ([], []))
        self.assertEqual(self.states(), [(1, "serving"), (2, "serving")])

    def test_worker_that_ends_during_a_renewal_has_one_successor(self) -> None:
        first, _ = self.start()
        renewed = self.supervisor.renew([])
        first.die()
        self.workers[2].serve()
        self.workers[3].serve()
        self.successResultOf(renewed)
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(len(self.workers), 4)

    def test_reload_asks_one_worker_after_the_other(self) -> None:
        first, second = self.start()
        reloaded = self.supervisor.reload()
        ((method, done),) = first.channel.calls
        self.assertEqual((method, second.channel.calls), ("reload", []))
        done.callback(None)
        self.assertNoResult(reloaded)
        second.channel.calls[0][1].callback(None)
        self.successResultOf(reloaded)
        self.assertEqual((first.ends, second.ends, len(self.workers)), ([], [], 2))

    def test_worker_that_cannot_reload_is_replaced(self) -> None:
        first, second = self.start()
        reloaded = self.supervisor.reload()
        first.channel.calls[0][1].errback(StateError("the other process does not respond"))
        self.assertEqual((first.ends, self.workers[2].ports), ([], [("tcp:1", None)]))
        self.workers[2].serve()
        self.assertEqual(first.ends, [(RENEWAL_GRACE, True)])
        second.channel.calls[0][1].callback(None)
        self.successResultOf(reloaded)
        self.assertEqual(second.ends, [])

    def test_reload_fails_if_the_replacement_cannot_start(self) -> None:
        first, second = self.start()
        reloaded = self.supervisor.reload()
        first.channel.calls[0][1].errback(StateError("line 3 is wrong"))
        self.workers[2].die("line 3 is wrong")
        self.assertIn("line 3 is wrong", str(self.failureResultOf(reloaded, WorkerError).value))
        self.assertEqual((first.ends, second.ends), ([], []))
        self.assertEqual(self.states(), [(1, "serving"), (2, "serving")])

    def test_reload_waits_for_a_worker_that_starts(self) -> None:
        """It may have read the configuration before it was changed."""
        first, second = self.start()
        first.die()
        self.clock.advance(FIRST_PAUSE)
        third = self.workers[2]
        reloaded = self.supervisor.reload()
        self.assertEqual((third.channel.calls, second.channel.calls), ([], []))
        third.serve()
        third.channel.calls[0][1].callback(None)
        second.channel.calls[0][1].callback(None)
        self.successResultOf(reloaded)

    def test_stop_does_not_wait_for_the_reload_of_a_worker_that_hangs(self) -> None:
        first, second = self.start()
        reloaded = self.supervisor.reload()
        self.supervisor.stop_starting()
        self.successResultOf(reloaded)
        self.assertEqual((len(self.workers), second.channel.calls), (2, []))
        stopped = self.supervisor.stop()
        for each in (first, second):
            self.assertEqual(each.ends, [(30.0, False)])
            each.die()
        self.successResultOf(stopped)

    def test_worker_that_ends_during_a_reload_has_one_successor(self) -> None:
        first, second = self.start()
        reloaded = self.supervisor.reload()
        first.die()
        first.channel.calls[0][1].errback(StateError("the other process is gone"))
        second.channel.calls[0][1].callback(None)
        self.successResultOf(reloaded)
        self.clock.advance(FIRST_PAUSE)
        self.assertEqual(len(self.workers), 3)

    def test_many_renewals_do_not_pile_up_workers(self) -> None:
        self.start()
        for _ in range(10):
            renewed = self.supervisor.renew([])
            self.workers[-1].serve()
            self.workers[-1].serve()
            self.successResultOf(renewed)
        hurried = [each for each in self.workers if (30.0, False) in each.ends]
        self.assertEqual(len(hurried), 2 * 10 - 8)

    def test_stop_ends_all_and_starts_none(self) -> None:
        first, second = self.start()
        first.die()
        stopped = self.supervisor.stop()
        self.assertEqual(second.ends, [(30.0, False)])
        self.assertNoResult(stopped)
        second.die()
        self.successResultOf(stopped)
        self.assertEqual((self.clock.getDelayedCalls(), len(self.workers)), ([], 2))

    def test_stop_gives_a_renewal_up(self) -> None:
        self.start()
        renewed = self.supervisor.renew([])
        self.supervisor.stop_starting()
        self.failureResultOf(renewed, WorkerError)
        stopped = self.supervisor.stop()
        for worker in self.workers[:2]:
            worker.die()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_second_signal_gives_requests_no_more_time(self) -> None:
        first, _ = self.start()
        self.supervisor.stop()
        self.supervisor.stop_waiting()
        self.assertEqual(first.ends, [(30.0, False), (0.0, False)])
        for worker in self.workers:
            worker.die()
