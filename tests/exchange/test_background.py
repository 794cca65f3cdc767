"""The thread for large requests: one at a time, the smallest first, within bounds."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.background import MAX_WAITING, Background
from antigravity.ir.errors import InvalidRequestError, OverloadedError


class Threads:
    """Calls functions when it is told to."""

    def __init__(self) -> None:
        self.given: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def __call__(self, function: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.given.append((function, done))
        return done

    def finish(self) -> None:
        """Finish the only job that there may be."""
        ((function, done),) = self.given
        self.given.clear()
        try:
            result = function()
        except Exception:  # noqa: BLE001 - as a thread pool does
            done.errback(Failure())
        else:
            done.callback(result)


class BackgroundTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.threads = Threads()
        self.background = Background(self.threads)

    def test_one_job_runs_at_a_time_the_smallest_of_those_that_wait_first(self) -> None:
        done: list[int] = []
        for size in (50, 70, 10, 70, 30):
            self.background.run(size, done.append, size)
        while self.background.running:
            self.threads.finish()
        self.assertEqual(done, [50, 10, 30, 70, 70])

    def test_result_and_exception_are_handed_on(self) -> None:
        good = self.background.run(1, lambda text: text.upper(), "x")
        bad = self.background.run(1, int, "x")
        self.threads.finish()
        self.threads.finish()
        self.assertEqual(self.successResultOf(good), "X")
        self.failureResultOf(bad, ValueError)
        self.assertFalse(self.background.running)

    def test_arguments_are_let_go_without_a_garbage_collection(self) -> None:
        class Body:
            pass

        def refuse(body: Body) -> None:
            try:
                raise ValueError(body)
            except ValueError as error:
                raise InvalidRequestError("no") from error

        gc.disable()
        self.addCleanup(gc.enable)
        for function, failure in ((repr, None), (refuse, InvalidRequestError)):
            body = Body()
            alive = weakref.ref(body)
            done = self.background.run(1, function, body)
            del body
            self.threads.finish()
            if failure is None:
                self.successResultOf(done)
            else:
                self.failureResultOf(done, failure).value.__cause__ = None
            del done
            self.assertIsNone(alive())

    def test_cancelled_job_that_waits_is_not_begun(self) -> None:
        done: list[int] = []
        self.background.run(1, done.append, 1)
        waiting = self.background.run(1, done.append, 2)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.threads.finish()
        self.assertEqual((done, self.threads.given), ([1], []))

    def test_next_job_waits_for_a_cancelled_one_that_runs(self) -> None:
        running = self.background.run(1, int)
        following = self.background.run(1, int)
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertEqual(len(self.threads.given), 1)
        self.threads.finish()
        self.threads.finish()
        self.assertEqual(self.successResultOf(following), 0)

    def test_too_many_jobs_are_refused(self) -> None:
        waiting = [self.background.run(1, int) for _ in range(MAX_WAITING + 1)]
        self.failureResultOf(self.background.run(1, int), OverloadedError)
        waiting[-1].cancel()
        self.failureResultOf(waiting[-1], CancelledError)
        self.assertNoResult(self.background.run(1, int))
