"""Run jobs in parallel, up to a limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

T = TypeVar("T")


async def run_parallel(jobs: Sequence[Callable[[], Awaitable[T]]], limit: int) -> list[T]:
    """Return the results of all jobs, in their order; ``limit`` jobs run at the same time.

    The first failure, or a cancellation, cancels all other jobs and is raised.
    """
    waiting = iter(enumerate(jobs))
    results: dict[int, T] = {}

    async def run_jobs() -> None:
        for place, job in waiting:
            results[place] = await job()

    workers = [Deferred.fromCoroutine(run_jobs()) for _ in range(min(limit, len(jobs)))]
    try:
        await gatherResults(workers, consumeErrors=True)
    except FirstError as first:
        for worker in workers:
            worker.cancel()
        first.subFailure.raiseException()
    return [results[place] for place in range(len(jobs))]
