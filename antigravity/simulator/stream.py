"""Deliver an answer: in pieces, with pauses, and broken where the script says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

from antigravity.simulator.errors import Break
from antigravity.simulator.state import Stats

_GARBAGE: Final = (
    b'data: {"broken": [1, 2,\n\ndata: \xff\xfe<html>not an event</html>\n\nnonsense\n\n'
)


class Clock(Protocol):
    """What is needed of a reactor: ``IReactorTime``."""

    def seconds(self) -> float:
        """Return the time."""

    def callLater(self, delay: float, call: object, *args: object) -> IDelayedCall:  # noqa: N802
        """Call later."""


@dataclass(frozen=True)
class Plan:
    """What to write, and how it ends: finish, cut or stall."""

    steps: tuple[tuple[bytes, bool], ...]
    end: str = "finish"


T = TypeVar("T")


def until(items: Sequence[T], after: int, content: Callable[[T], bool]) -> list[T]:
    """Return the items up to where a fault strikes: right after so many chunks.

    One that lies beyond the last chunk strikes right after that.
    """
    kept = []
    left = min(after, sum(map(content, items)))
    for item in items:
        if left == 0 and (content(item) or after):
            break
        kept.append(item)
        left -= content(item)
    return kept


def plan(steps: Iterable[tuple[bytes, bool]], fault: Break | None) -> Plan:
    """Return the steps up to where the fault strikes, and how it does."""
    every = tuple(steps)
    if fault is None:
        return Plan(every)
    kept = until(every, fault.after, lambda step: step[1])
    if fault.kind == "garbage":
        return Plan((*kept, (_GARBAGE, True)))
    return Plan(tuple(kept), fault.kind)


@implementer(IPushProducer)
class StreamWriter:
    """Writes the steps of a plan to a request, each as a chunk of its own.

    It waits ``first`` seconds before anything, ``delay`` seconds before each further chunk,
    and as long as the transport is full.  When the client goes away, or the Deferred of
    :meth:`run` is cancelled, nothing is left behind.
    """

    def __init__(
        self,
        request: Request,
        steps: Plan,
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
        self._begun = False  # whether a chunk has been written
        self._paused = False
        self._registered = False
        self._timer: IDelayedCall | None = None
        self._due = False
        self._done: Deferred[None] | None = None

    def run(self) -> Deferred[None]:
        """Return a Deferred that fires when all is written.

        It does not fire when the plan ends with a cut or a stall: then the client's
        going away cancels it.
        """
        done: Deferred[None] = Deferred(lambda _: self._leave("cancelled"))
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
        """Break the connection off."""
        done = self._done
        channel = self._request.channel
        if done is not None:
            self._leave("broken")
            done.addErrback(lambda failure: failure.trap(CancelledError))
        if channel is not None:
            channel.loseConnection()

    # IPushProducer

    def pauseProducing(self) -> None:
        """Write nothing for now."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Write on."""
        self._paused = False
        if self._due and self._done is not None:
            self._due = False
            self._wait(0)

    def stopProducing(self) -> None:
        """Write nothing more: the client has gone; Klein cancels the Deferred."""
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
        """Write one chunk and what goes before it."""
        if self._done is None:
            return
        if self._paused:
            self._due = True
            return
        steps = self._plan.steps
        while self._position < len(steps):
            data, content = steps[self._position]
            if content and self._begun:
                self._begun = False  # it has waited its turn when it comes here again
                self._wait(self._delay)
                return
            self._position += 1
            self._request.write(data)
            self._begun = self._begun or content
            if self._stopped_by_write():
                return
        self._end()

    def _stopped_by_write(self) -> bool:
        """Return whether the write has filled the transport, or ended all."""
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
        self._leave("finished")
        assert done is not None
        done.callback(None)

    def _leave(self, how: str) -> None:
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
