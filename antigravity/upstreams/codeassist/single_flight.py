"""Sharing of one request among all callers that need its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class _Flight(Generic[T]):
    """A request in progress, and those that wait for it."""

    def __init__(self) -> None:
        self.request: Deferred[T] | None = None
        self.waiting: list[Deferred[T]] = []


class SingleFlight(Generic[T]):
    """Shares the result of a request among all callers with the same key.

    Cancelling one Deferred does not affect the others; when all are cancelled, so is the request.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    def join(self, key: str, ask: Callable[[], Deferred[T]]) -> Deferred[T]:
        """Return a Deferred that fires with the result; call ``ask`` if no request is running."""
        flight = self._flights.get(key)
        first = flight is None
        if flight is None:
            flight = self._flights[key] = _Flight()
        waiter: Deferred[T] = Deferred(lambda waiter: self._leave(key, flight, waiter))
        flight.waiting.append(waiter)
        if first:
            flight.request = request = ask()
            request.addBoth(self._land, key, flight)
        return waiter

    def _leave(self, key: str, flight: _Flight[T], waiter: Deferred[T]) -> None:
        flight.waiting.remove(waiter)
        if not flight.waiting and flight.request is not None:
            self._remove(key, flight)
            flight.request.cancel()

    def _land(self, result: T | Failure, key: str, flight: _Flight[T]) -> None:
        self._remove(key, flight)
        waiting: list[Deferred[Any]] = list(flight.waiting)
        flight.waiting.clear()
        for waiter in waiting:
            waiter.callback(result)  # a Failure runs the errbacks

    def _remove(self, key: str, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
