"""run_parallel: order of results, limit, failures and cancellation."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from antigravity.exchange.fanout.parallel import run_parallel


class Jobs:
    """Jobs that end on demand."""

    def __init__(self, count: int) -> None:
        self.running: dict[int, Deferred[int]] = {}
        self.cancelled: list[int] = []
        self.all = [partial(self.begin, place) for place in range(count)]

    def begin(self, place: int) -> Deferred[int]:
        self.running[place] = Deferred(lambda _: self.cancelled.append(place))
        return self.running[place]

    def end(self, place: int, result: Any) -> None:
        done = self.running.pop(place)
        if isinstance(result, Exception):
            done.errback(result)
        else:
            done.callback(result)


def start(jobs: Jobs, limit: int) -> tuple[Deferred[list[int]], list[Any]]:
    outcome: list[Any] = []
    running = Deferred.fromCoroutine(run_parallel(jobs.all, limit))
    running.addBoth(outcome.append)
    return running, outcome


@pytest.mark.parametrize("choose", [min, max])
def test_results_have_order_of_jobs(choose: Any) -> None:
    jobs = Jobs(5)
    _, outcome = start(jobs, 2)
    for left in (5, 4, 3, 2, 1):
        assert not outcome
        assert len(jobs.running) == min(2, left)
        place = choose(jobs.running)
        jobs.end(place, place * 10)
    assert outcome == [[0, 10, 20, 30, 40]]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_jobs_than_limit(count: int) -> None:
    jobs = Jobs(count)
    _, outcome = start(jobs, 4)
    for place in range(count):
        jobs.end(place, 7)
    assert outcome == [[7] * count]


def test_first_failure_cancels_other_jobs() -> None:
    jobs = Jobs(6)
    _, outcome = start(jobs, 3)
    jobs.end(1, ValueError("no"))
    (failure,) = outcome
    assert failure.check(ValueError)
    assert sorted(jobs.cancelled) == [0, 2]
    assert sorted(jobs.running) == [0, 2]  # and none was begun since


def test_cancellation_cancels_all_jobs() -> None:
    jobs = Jobs(6)
    running, outcome = start(jobs, 3)
    running.cancel()
    (failure,) = outcome
    assert failure.check(CancelledError)
    assert sorted(jobs.cancelled) == [0, 1, 2]
