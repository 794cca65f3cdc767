"""Do several things at once, but not too many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

T = TypeVar("T")


async def gathered(jobs: Sequence[Callable[[], Awaitable[T]]], at_once: int) -> list[T]:
    """Return what the jobs give, in their order; ``at_once`` of them run at the same time.

    The first that fails, or a cancellation, ends them all, and its error is raised.
    """
    waiting = iter(enumerate(jobs))
    results: dict[int, T] = {}

    async def work() -> None:
        for place, job in waiting:
            results[place] = await job()

    workers = [Deferred.fromCoroutine(work()) for _ in range(min(at_once, len(jobs)))]
    try:
        await gatherResults(workers, consumeErrors=True)
    except FirstError as first:
        for worker in workers:
            worker.cancel()
        first.subFailure.raiseException()
    return [results[place] for place in range(len(jobs))]
