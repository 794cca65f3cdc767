"""Deliver a response in chunks, with pauses and connection faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

from antigravity.simulator.errors import ConnectionFault
from antigravity.simulator.state import Stats

_GARBAGE: Final = (
    b'data: {"broken": [1, 2,\n\ndata: \xff\xfe<html>not an event</html>\n\nnonsense\n\n'
)


class Clock(Protocol):
    """The part of ``IReactorTime`` that is needed."""

    def seconds(self) -> float:
        """Return the time."""

    def callLater(self, delay: float, call: object, *args: object) -> IDelayedCall:  # noqa: N802
        """Schedule a call."""


@dataclass(frozen=True)
class StreamPlan:
    """The chunks to write, and the end: finish, cut or stall."""

    steps: tuple[tuple[bytes, bool], ...]
    end: str = "finish"


T = TypeVar("T")


def cut_before(items: Sequence[T], after: int, content: Callable[[T], bool]) -> list[T]:
    """Return the items before a fault, which occurs after a number of chunks.

    A fault beyond the last chunk occurs right after it.
    """
    before = []
    remaining = min(after, sum(map(content, items)))
    for item in items:
        if remaining == 0 and (content(item) or after):
            break
        before.append(item)
        remaining -= content(item)
    return before


def plan_stream(steps: Iterable[tuple[bytes, bool]], fault: ConnectionFault | None) -> StreamPlan:
    """Return the steps before the fault, and the end that it causes."""
    every = tuple(steps)
    if fault is None:
        return StreamPlan(every)
    before = cut_before(every, fault.after, lambda step: step[1])
    if fault.kind == "garbage":
        return StreamPlan((*before, (_GARBAGE, True)))
    return StreamPlan(tuple(before), fault.kind)


@implementer(IPushProducer)
class StreamWriter:
    """Writes the steps of a plan to a request, one chunk each.

    It waits ``first`` seconds before the first chunk, ``delay`` seconds before each other chunk,
    and while the transport is full.  When the client disconnects, or the Deferred of
    :meth:`run` is cancelled, the timer is cancelled.
    """

    def __init__(
        self,
        request: Request,
        steps: StreamPlan,
        clock: Clock,
        stats: Stats,
        first: float = 0.0,
        delay: float = 0.0,
    ) -> None:
        self._request = request
        self._plan = steps
        self._clock = clock
        self._stats = stats
        self._first = first
        self._delay = delay
        self._position = 0
        self._started = False  # whether a chunk has been written
        self._paused = False
        self._registered = False
        self._timer: IDelayedCall | None = None
        self._due = False
        self._done: Deferred[None] | None = None

    def run(self) -> Deferred[None]:
        """Return a Deferred that fires when all chunks are written.

        It does not fire if the plan ends with a cut or a stall: then the
        client's disconnect cancels it.
        """
        done: Deferred[None] = Deferred(lambda _: self._finish("cancelled"))
        self._done = done
        self._stats.open_streams += 1
        self._request.registerProducer(self, True)
        self._registered = True
        if self._first > 0:
            self._wait(self._first)
        else:
            self._go()
        return done

    def stop(self) -> None:
        """Abort the connection."""
        done = self._done
        channel = self._request.channel
        if done is not None:
            self._finish("broken")
            done.addErrback(lambda failure: failure.trap(CancelledError))
        if channel is not None:
            channel.loseConnection()

    def skip_delays(self) -> None:
        """Wait no more before the chunks that are left."""
        self._delay = 0.0
        if self._timer is not None:
            self._cancel_timer()
            self._go()

    # IPushProducer

    def pauseProducing(self) -> None:
        """Pause writing."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Resume writing."""
        self._paused = False
        if self._due and self._done is not None:
            self._due = False
            self._wait(0)

    def stopProducing(self) -> None:
        """Stop writing; Klein cancels the Deferred."""
        self._cancel_timer()

    # The steps

    def _wait(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = self._clock.callLater(seconds, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._go()

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _go(self) -> None:
        """Write one chunk and the steps before it."""
        if self._done is None:
            return
        if self._paused:
            self._due = True
            return
        steps = self._plan.steps
        while self._position < len(steps):
            data, content = steps[self._position]
            if content and self._started:
                self._started = False  # it has waited its turn when it comes here again
                self._wait(self._delay)
                return
            self._position += 1
            self._request.write(data)
            self._started = self._started or content
            if self._stopped_by_write():
                return
        self._end()

    def _stopped_by_write(self) -> bool:
        """Return whether the write filled the transport, or ended the stream."""
        if self._paused:
            self._due = True
        return self._paused or self._done is None

    def _end(self) -> None:
        if not self._plan.steps:
            self._request.write(b"")  # the headers go out all the same
        if self._plan.end == "stall":
            return
        if self._plan.end == "cut":
            # What was written still arrives, but the body's end does not.
            self._unregister()
            channel = self._request.channel
            if channel is not None:
                channel.loseConnection()
            return
        done = self._done
        self._finish("finished")
        assert done is not None
        done.callback(None)

    def _finish(self, how: str) -> None:
        if self._done is None:
            return
        self._done = None
        self._cancel_timer()
        self._stats.open_streams -= 1
        if how == "cancelled" and self._plan.end == "cut" and self._all_written():
            how = "broken"
        counter = f"{how}_streams"
        setattr(self._stats, counter, getattr(self._stats, counter) + 1)
        self._unregister()

    def _unregister(self) -> None:
        if self._registered and self._request.channel is not None:
            self._request.unregisterProducer()
        self._registered = False

    def _all_written(self) -> bool:
        return self._position >= len(self._plan.steps)
