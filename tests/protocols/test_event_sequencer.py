"""The order of events behind an ``EventSequencer`` is legal, whatever comes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import UpstreamError
from antigravity.ir.events import (
    Event,
    Finish,
    ResponseStart,
    StreamFailure,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
)
from antigravity.ir.usage import Usage
from antigravity.protocols.event_sequencer import (
    ChoiceStart,
    EventOrder,
    EventSequencer,
    SequencedEvent,
)

ANY_CHOICE = EventOrder(choices=None, parallel_calls=True, every_finish=False)
ORDERS = (
    EventOrder(),
    EventOrder(choices=2, parallel_calls=True),
    EventOrder(choices=2),
    ANY_CHOICE,
)
START, OPEN, STOP = ResponseStart(), ChoiceStart(), Finish("stop")
FAILURE = StreamFailure(UpstreamError("lost"))

_call, _choice = st.integers(0, 3), st.integers(0, 2)
_event = st.one_of(
    st.just(ResponseStart("id")),
    st.builds(TextDelta, st.text("ab", min_size=1, max_size=2), _choice),
    st.builds(ToolCallStart, _call, st.just("c"), st.just("f"), choice=_choice),
    st.builds(ToolCallDelta, _call, st.text("xy", max_size=2), _choice),
    st.builds(ToolCallEnd, _call, _choice),
    st.builds(Finish, st.just("stop"), choice=_choice),
    st.builds(UsageUpdate, st.builds(Usage, st.integers(0, 9))),
)


def sequence(*events: Event, order: EventOrder = ORDERS[0]) -> list[SequencedEvent]:
    """Return the events in the order of the sequencer."""
    sequencer = EventSequencer(order)
    return [each for event in events for each in feed(sequencer, event)]


def feed(sequencer: EventSequencer, event: Event) -> list[SequencedEvent]:
    """Feed one event as a stream encoder does."""
    passes = type(event) in sequencer.passing or (
        isinstance(event, ToolCallDelta) and event.call in sequencer.passing_calls
    )
    if passes and event.choice == 0:  # type: ignore[union-attr]
        return [event]
    return [*sequencer.feed(event)]


@given(st.lists(_event, max_size=30), st.sampled_from(ORDERS))
def test_any_events_are_put_in_a_legal_order(events: list[Event], order: EventOrder) -> None:
    out = [each for each in sequence(*events, order=order) if not isinstance(each, UsageUpdate)]
    assert not out or isinstance(out[0], ResponseStart)
    begun: list[int] = []
    finished: set[int] = set()
    known: set[tuple[int, int]] = set()
    open_calls: list[tuple[int, int]] = []
    for event in out[1:]:
        assert not isinstance(event, ResponseStart | UsageUpdate | StreamFailure)
        if isinstance(event, ChoiceStart):
            begun.append(event.choice)
            continue
        assert event.choice in begun
        assert event.choice not in finished
        of_choice = [call for call in open_calls if call[0] == event.choice]
        if isinstance(event, ToolCallStart):
            key = (event.choice, event.call)
            assert key not in known
            assert order.parallel_calls or not of_choice
            known.add(key)
            open_calls.append(key)
        elif isinstance(event, ToolCallDelta):
            assert (event.choice, event.call) in open_calls
        elif isinstance(event, ToolCallEnd):
            open_calls.remove((event.choice, event.call))
        elif isinstance(event, Finish):
            assert not of_choice
            finished.add(event.choice)
        else:
            assert order.parallel_calls or not of_choice
    assert len(set(begun)) == len(begun)
    if order.choices is not None:
        assert begun == [*range(len(begun))]
        assert len(begun) <= order.choices


@given(st.lists(_event, max_size=30), st.sampled_from(ORDERS))
def test_no_content_of_a_finished_choice_is_lost(events: list[Event], order: EventOrder) -> None:
    out = sequence(*events, STOP, order=order)
    before = events[: events.index(STOP)] if STOP in events else events
    texts = [event for event in before if isinstance(event, TextDelta) and event.choice == 0]
    assert [event for event in out if isinstance(event, TextDelta) and event.choice == 0] == texts
    calls = {event.call for event in out if isinstance(event, ToolCallStart) and not event.choice}
    for call in calls:
        lifetime: list[Event] = []
        for event in before:
            if getattr(event, "call", None) == call and event.choice == 0:  # type: ignore[union-attr]
                if isinstance(event, ToolCallStart) == (not lifetime):
                    lifetime.append(event)
                if lifetime and isinstance(event, ToolCallEnd):
                    break
        if not isinstance(lifetime[-1], ToolCallEnd):
            lifetime.append(ToolCallEnd(call))
        assert [each for each in out if each in lifetime] == lifetime


def test_start_is_added_and_repeated_starts_are_dropped() -> None:
    assert sequence(TextDelta("a"), ResponseStart("late"), TextDelta("b")) == [
        START,
        OPEN,
        TextDelta("a"),
        TextDelta("b"),
    ]


def test_interleaved_calls_are_returned_in_turn() -> None:
    first, second = ToolCallStart(0, "a", "f"), ToolCallStart(1, "b", "g")
    events = (
        first,
        second,
        ToolCallDelta(1, "x"),
        TextDelta("between"),
        ToolCallDelta(0, "y"),
        ToolCallDelta(1, "z"),
        ToolCallEnd(0),
        ToolCallEnd(1),
        STOP,
    )
    assert sequence(*events) == [
        START,
        OPEN,
        first,
        ToolCallDelta(0, "y"),
        ToolCallEnd(0),
        second,
        ToolCallDelta(1, "x"),
        ToolCallDelta(1, "z"),
        ToolCallEnd(1),
        TextDelta("between"),
        STOP,
    ]
    parallel = EventOrder(parallel_calls=True)
    assert sequence(*events, order=parallel) == [START, OPEN, *events]


def test_a_finish_is_known_before_the_calls_that_it_ends_end() -> None:
    sequencer = EventSequencer(EventOrder())
    sequencer.feed(ToolCallStart(0, "a", "f"))
    sequencer.feed(ToolCallStart(1, "b", "g"))
    assert sequencer.finish_of() is None
    cut = Finish("length")
    assert [*sequencer.feed(cut)] == [
        ToolCallEnd(0),
        ToolCallStart(1, "b", "g"),
        ToolCallEnd(1),
        cut,
    ]
    assert sequencer.finish_of() is cut


def test_lower_choices_begin_first_where_their_number_is_known() -> None:
    order = EventOrder(choices=3)
    assert sequence(TextDelta("c", 2), TextDelta("d", 3), order=order) == [
        START,
        *map(ChoiceStart, range(3)),
        TextDelta("c", 2),
    ]
    assert sequence(TextDelta("c", 2), order=ANY_CHOICE) == [
        START,
        ChoiceStart(2),
        TextDelta("c", 2),
    ]


@pytest.mark.parametrize(
    ("events", "every", "some"),
    [
        ([], False, False),
        ([ResponseStart()], False, False),
        ([TextDelta("a")], False, False),
        ([TextDelta("a"), STOP], True, True),
        ([TextDelta("a"), TextDelta("b", 1), STOP], False, True),
        ([TextDelta("b", 1), STOP, Finish("stop", choice=1)], True, True),
    ],
)
def test_a_stream_is_complete_once_its_choices_have_finished(
    events: list[Event], every: bool, some: bool
) -> None:
    for every_finish, complete in ((True, every), (False, some)):
        order = EventOrder(2, parallel_calls=True, every_finish=every_finish)
        sequencer = EventSequencer(order)
        for event in events:
            feed(sequencer, event)
        assert sequencer.close() is complete


def test_nothing_follows_the_end_or_a_failure() -> None:
    for last in (FAILURE, None):
        sequencer = EventSequencer(EventOrder())
        feed(sequencer, ToolCallStart(0, "a", "f"))
        if last is None:
            sequencer.close()
        else:
            assert feed(sequencer, last) == [last]
        late: list[Event] = [ToolCallDelta(0, "x"), TextDelta("a"), FAILURE, STOP]
        assert [each for event in late for each in feed(sequencer, event)] == []


def test_thousands_of_interleaved_calls_take_linear_time() -> None:
    number = 5000
    starts = [ToolCallStart(call, "c", "f") for call in range(number)]
    deltas = [ToolCallDelta(call, "x") for call in range(number)]
    ends = [ToolCallEnd(call) for call in reversed(range(number))]
    out = sequence(*starts, *deltas, *ends, STOP)
    assert len(out) == 3 * number + 3
