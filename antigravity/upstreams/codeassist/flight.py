"""One question at a time, however many wait for its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class _Flight(Generic[T]):
    """A question that is being asked."""

    def __init__(self) -> None:
        self.asking: Deferred[T] | None = None
        self.waiting: list[Deferred[T]] = []


class SingleFlight(Generic[T]):
    """Shares the answer to a question among all who ask it before it has come.

    Who cancels leaves the answer to the others; when the last one has left, the question
    is cancelled, too.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    def join(self, key: str, ask: Callable[[], Deferred[T]]) -> Deferred[T]:
        """Return a Deferred that fires with the answer; ``ask`` is called if nobody has yet."""
        flight = self._flights.get(key)
        first = flight is None
        if flight is None:
            flight = self._flights[key] = _Flight()
        waiter: Deferred[T] = Deferred(lambda gone: self._leave(key, flight, gone))
        flight.waiting.append(waiter)
        if first:
            flight.asking = asking = ask()
            asking.addBoth(self._land, key, flight)
        return waiter

    def _leave(self, key: str, flight: _Flight[T], gone: Deferred[T]) -> None:
        flight.waiting.remove(gone)
        if not flight.waiting and flight.asking is not None:
            self._forget(key, flight)
            flight.asking.cancel()

    def _land(self, result: T | Failure, key: str, flight: _Flight[T]) -> None:
        self._forget(key, flight)
        waiting: list[Deferred[Any]] = list(flight.waiting)
        flight.waiting.clear()
        for waiter in waiting:
            waiter.callback(result)  # a Failure goes down the errbacks

    def _forget(self, key: str, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
