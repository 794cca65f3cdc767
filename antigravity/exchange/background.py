"""A thread for long computations, so that they do not block the event loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from antigravity.exchange.streams.converted import InThread
from antigravity.ir.errors import GatewayError, OverloadedError

#: Jobs that may wait.
MAX_WAITING: Final = 256


class _Job:
    """A function to call; nothing in it refers back to the job."""

    def __init__(
        self, size: int, number: int, call: Callable[[], Any], done: Deferred[Any]
    ) -> None:
        self.order = size, number
        self.call = call
        self.done = done

    def __lt__(self, other: _Job) -> bool:
        return self.order < other.order


class _Failed:
    """The result of a function that raised an error for the client."""

    def __init__(self, error: GatewayError) -> None:
        self.error = error


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return a function's result, or its error without traceback.

    The thread's frame would hold the error and the error that frame, and with it the body of a
    large request, until the next full garbage collection.
    """
    try:
        return function(*arguments)
    except GatewayError as error:
        cause: BaseException | None = error
        while cause is not None:
            cause.__traceback__ = None
            cause = cause.__cause__ or cause.__context__
        return _Failed(error)


class Background:
    """Calls functions in a thread, one at a time, the smallest job first.

    Two at a time would compete for the interpreter's lock, and the event loop would wait for
    both.  The functions must be pure, and nothing else may use their arguments meanwhile.

    :ivar running: whether a function is running now.
    """

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._waiting: list[_Job] = []
        self._numbers = count()
        self.running = False

    def run(self, size: int, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Return a Deferred that fires with the function's result; ``size`` is that of the job.

        If it is cancelled, a job that waits is not begun, and the result of one that runs is
        dropped.  It fails with an ``OverloadedError`` if too many jobs wait.
        """
        if len(self._waiting) >= MAX_WAITING:
            return fail(
                OverloadedError("Too many large requests are being translated; try again later.")
            )
        number = next(self._numbers)
        done: Deferred[Any] = Deferred(lambda _: self._cancel(number))
        heappush(self._waiting, _Job(size, number, partial(_call, function, arguments), done))
        self._begin()
        return done

    def _cancel(self, number: int) -> None:
        self._waiting = [job for job in self._waiting if job.order[1] != number]
        heapify(self._waiting)

    def _begin(self) -> None:
        if self.running or not self._waiting:
            return
        self.running = True
        job = heappop(self._waiting)
        self._in_thread(job.call).addBoth(self._ended, job.done)

    def _ended(self, result: Any, done: Deferred[Any]) -> None:
        self.running = False
        if not done.called:
            if isinstance(result, _Failed):
                done.errback(result.error)
            elif isinstance(result, Failure):
                done.errback(result)
            else:
                done.callback(result)
        self._begin()
