"""Waits for several Deferreds at once, without Twisted's wrapper around the first failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.python.failure import Failure

T = TypeVar("T")


def gather(waiting: Sequence[Deferred[T]]) -> Deferred[list[T]]:
    """Return a Deferred that fires with all results, in order.

    It fails with the first error itself.  Cancelling it cancels all.
    """
    return gatherResults(waiting, consumeErrors=True).addErrback(first_failure)


def first_failure(failure: Failure) -> Failure:
    """Return the failure within that of a gathering; any other one as it is."""
    while isinstance(failure.value, FirstError):
        failure = failure.value.subFailure
    return failure
