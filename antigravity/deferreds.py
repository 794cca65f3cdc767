"""Deferreds of several results, and of functions that run in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

T = TypeVar("T")


def gather(waiting: Sequence[Deferred[T]]) -> Deferred[list[T]]:
    """Return a Deferred that fires with all results, in order.

    It fails with the first error, not with a ``FirstError``.  Cancelling it cancels all.
    """
    return gatherResults(waiting, consumeErrors=True).addErrback(first_failure)


def first_failure(failure: Failure) -> Failure:
    """Return the failure inside the ``FirstError`` of ``gatherResults``, or ``failure`` itself."""
    while isinstance(failure.value, FirstError):
        failure = failure.value.subFailure
    return failure


def ended_alone(
    working: Deferred[T], unwanted: Callable[[T], object] = lambda result: None
) -> Deferred[T]:
    """Return a Deferred with the same result; cancelling it does not cancel ``working``.

    :param unwanted: is called with the result if nobody waits for it any more.  Failures are
        ignored then.
    """
    if working.called:
        return working
    waiting: Deferred[T] = Deferred()

    def succeeded(result: T) -> None:
        if waiting.called:
            unwanted(result)
        else:
            waiting.callback(result)

    def failed(failure: Failure) -> None:
        if not waiting.called:
            waiting.errback(failure)

    working.addCallbacks(succeeded, failed)
    return waiting


def call_in_thread(reactor: Any, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
    """Return a Deferred with the result of a function that blocks or computes for long."""
    return deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)
