"""Puts the events of a response in an order that a protocol allows.  Sans-IO."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from typing import Final, get_args

from msgspec import Struct

from antigravity.ir.events import (
    ChoiceEvent,
    Event,
    Finish,
    ResponseStart,
    StreamFailure,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
)


class EventOrder(Struct, frozen=True):
    """The order that a protocol allows.

    :ivar choices: the number of choices in a stream, which start in ascending order; events of
        other choices are dropped.  ``None``: any number, in any order.
    :ivar parallel_calls: whether several tool calls can be open at a time, with content between
        their deltas.  If not, other events wait until the open call has ended.
    :ivar every_finish: whether all choices must finish before a stream is complete; otherwise
        one is enough.
    """

    choices: int | None = 1
    parallel_calls: bool = False
    every_finish: bool = True


class ChoiceStart(Struct, frozen=True, gc=False):
    """The start of a choice; the sequencer adds it before the choice's first event."""

    choice: int = 0


#: An event of a choice, in order.
OrderedEvent = ChoiceStart | ChoiceEvent
SequencedEvent = ChoiceStart | Event

#: Events that neither open nor end anything.
_CONTENT: Final = frozenset(get_args(ChoiceEvent)) - {
    ToolCallStart,
    ToolCallDelta,
    ToolCallEnd,
    Finish,
}
_NOTHING: Final[frozenset[type]] = frozenset()


class _Choice:
    """The state of one choice."""

    __slots__ = ("finish", "known_calls", "open_calls", "waiting", "waiting_calls")

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.known_calls: set[int] = set()
        self.open_calls: dict[int, None] = {}
        #: Events that wait for the end of the open call: those of a call, or content between calls.
        self.waiting: deque[list[SequencedEvent]] = deque()
        self.waiting_calls: dict[int, list[SequencedEvent]] = {}


class EventSequencer:
    """Puts events in order, in whichever order they arrive.

    The returned events have

    * one :class:`ResponseStart` before everything but usage;
    * a :class:`ChoiceStart` for each choice before its first event;
    * for each call :class:`ToolCallStart`, deltas, :class:`ToolCallEnd`, once; calls that are
      open when their choice finishes are ended first;
    * one :class:`Finish` for a choice, and nothing of that choice after it;
    * :class:`UsageUpdate` at any time.

    For speed, some events of choice 0 can be written without feeding them:

    :ivar passing: the types of such events.
    :ivar passing_calls: the calls whose deltas are such events.
    :ivar started: whether the response has started.
    :ivar over: whether the stream has ended.
    """

    __slots__ = ("_choices", "_order", "over", "passing", "passing_calls", "started")

    def __init__(self, order: EventOrder) -> None:
        self._order = order
        self._choices: dict[int, _Choice] = {}
        self.passing: frozenset[type] = _NOTHING
        self.passing_calls: Container[int] = ()
        self.started = False
        self.over = False

    def finish_of(self, choice: int = 0) -> Finish | None:
        """Return the ``Finish`` of a choice, which is known before its open calls are ended."""
        state = self._choices.get(choice)
        return None if state is None else state.finish

    def feed(self, event: Event) -> Sequence[SequencedEvent]:
        """Return the events to write after ``event`` has arrived.

        A ``StreamFailure`` ends the stream and is returned unchanged.
        """
        if self.over:
            return ()
        if isinstance(event, UsageUpdate):
            return (event,)
        if isinstance(event, ResponseStart):
            started, self.started = self.started, True
            return () if started else (event,)
        if isinstance(event, StreamFailure):
            self.close()
            return (event,)
        index = event.choice
        out = self.open(index)
        choice = self._choices.get(index)
        if choice is None or choice.finish is not None:
            return ()
        self._add(choice, event, out)
        if index == 0:
            waits = choice.open_calls and not self._order.parallel_calls
            self.passing = _NOTHING if waits or choice.finish is not None else _CONTENT
            self.passing_calls = choice.open_calls
        return out

    def open(self, index: int = 0) -> list[SequencedEvent]:
        """Return the events that start the response and a choice, unless they have started."""
        maximum = self._order.choices
        if index in self._choices or (maximum is not None and index >= maximum):
            return []
        out: list[SequencedEvent] = []
        if not self.started:
            self.started = True
            out.append(ResponseStart())
        for number in range(index if maximum is None else len(self._choices), index + 1):
            out.append(ChoiceStart(number))
            self._choices[number] = _Choice()
        return out

    def close(self) -> bool:
        """End the stream; return whether it is complete."""
        self.over = True
        self.passing, self.passing_calls = _NOTHING, ()
        finished = [choice.finish is not None for choice in self._choices.values()]
        return any(finished) and (all(finished) or not self._order.every_finish)

    def _add(self, choice: _Choice, event: ChoiceEvent, out: list[SequencedEvent]) -> None:
        """Add to ``out`` the events to write after an event of an unfinished choice."""
        match event:
            case Finish():
                choice.finish = event
                while choice.open_calls:
                    call = next(iter(choice.open_calls))
                    del choice.open_calls[call]
                    out.append(ToolCallEnd(call, event.choice))
                    self._release(choice, out)
                out.append(event)
            case ToolCallStart() if event.call in choice.known_calls:
                pass
            case ToolCallDelta() | ToolCallEnd() if event.call in choice.open_calls:
                out.append(event)
                if isinstance(event, ToolCallEnd):
                    del choice.open_calls[event.call]
                    self._release(choice, out)
            case ToolCallDelta() | ToolCallEnd() if event.call not in choice.waiting_calls:
                pass
            case _ if choice.open_calls and not self._order.parallel_calls:
                self._hold(choice, event)
            case ToolCallStart():
                choice.known_calls.add(event.call)
                choice.open_calls[event.call] = None
                out.append(event)
            case _:
                out.append(event)

    def _hold(self, choice: _Choice, event: ChoiceEvent) -> None:
        """Hold an event until the open call has ended."""
        match event:
            case ToolCallStart():
                choice.known_calls.add(event.call)
                held: list[SequencedEvent] = [event]
                choice.waiting_calls[event.call] = held
                choice.waiting.append(held)
            case ToolCallDelta():
                choice.waiting_calls[event.call].append(event)
            case ToolCallEnd():
                choice.waiting_calls.pop(event.call).append(event)
            case _:
                if not choice.waiting or isinstance(choice.waiting[-1][0], ToolCallStart):
                    choice.waiting.append([])
                choice.waiting[-1].append(event)

    def _release(self, choice: _Choice, out: list[SequencedEvent]) -> None:
        """Add the waiting events to ``out``, up to a call that is still open."""
        while choice.waiting and not choice.open_calls:
            held = choice.waiting.popleft()
            out += held
            start = held[0]
            if isinstance(start, ToolCallStart) and not isinstance(held[-1], ToolCallEnd):
                del choice.waiting_calls[start.call]
                choice.open_calls[start.call] = None
