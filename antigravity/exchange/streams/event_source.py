"""Decodes an upstream's response to events.  Sans-IO."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from antigravity.context.estimate import ASCII_PER_TOKEN, estimate_text
from antigravity.exchange.streams.bounds import (
    ITEM_LIMIT,
    RESPONSE_LIMIT,
    has_too_many_items,
    too_long,
    too_many_items,
)
from antigravity.exchange.streams.event_parsers import AnyFormParser, EventParser, event_parser
from antigravity.exchange.streams.lone_surrogates import (
    TOOL_CALL_EVENTS,
    ArgumentsRepairer,
    SurrogateJoiner,
)
from antigravity.exchange.streams.response_form import ResponseSource
from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.errors import (
    FaultyEndError,
    GatewayError,
    UnusableResponseError,
    UpstreamError,
)
from antigravity.ir.events import (
    MEANINGFUL,
    Event,
    Finish,
    RefusalDelta,
    StreamFailure,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageUpdate,
)
from antigravity.ir.usage import Usage
from antigravity.lowering.pipeline import EventPipeline
from antigravity.signatures.thinking_recovery import COLLECTED_EVENTS, SignatureCollector
from antigravity.sse import EventTooLargeError, ServerSentEvent

#: Native reasons of a response that simply ended.
_PLAIN_STOPS: Final = frozenset((None, "stop", "STOP", "end_turn", "completed"))

_TEXTS: Final = frozenset((TextDelta, ThinkingDelta, RefusalDelta))

Unwrap = Callable[[bytes], bytes]


class EndPolicy(Struct, frozen=True):
    """Which responses without content are worth another attempt.

    A response with a reason for its end is complete, even without content.

    :ivar retry_empty: whether the model is known to end without content by mistake.
    :ivar deliver: whether that was retried before, so that any response is delivered.
    """

    retry_empty: bool = False
    deliver: bool = False

    @property
    def accepts_empty(self) -> bool:
        """Whether an empty response with a plain stop is delivered."""
        return self.deliver or not self.retry_empty


def has_content(event: Event, ends: EndPolicy) -> bool:
    """Return whether an event has content, or ends a response that is accepted without."""
    if isinstance(event, TextDelta | ThinkingDelta | RefusalDelta):
        return bool(event.text)
    if isinstance(event, Finish):
        return event.reason != "stop" or ends.accepts_empty or event.native not in _PLAIN_STOPS
    return isinstance(event, MEANINGFUL)


class EventSource:
    """Decodes upstream bytes to events, and sends them through the passes of one request.

    ``whole`` says that the decoder takes a whole body as one event, ``lines`` that it takes lines
    of JSON, ``held`` that nothing goes to the client before the end.  ``others`` finds the decoder
    for a first event that is in another protocol.
    """

    def __init__(
        self,
        decoder: IStreamDecoder,
        pipeline: EventPipeline,
        unwrap: Unwrap | None,
        collector: SignatureCollector | None,
        estimate_input: Callable[[], int],
        *,
        whole: bool = False,
        lines: bool = False,
        held: bool = False,
        source: ResponseSource | None = None,
        ends: EndPolicy | None = None,
        others: Callable[[bytes], IStreamDecoder | None] | None = None,
    ) -> None:
        self._parser: EventParser = event_parser(whole=whole, lines=lines, source=source)
        self._source = source or ResponseSource()
        self._decoder = decoder
        self._surrogates = SurrogateJoiner()
        self._arguments = ArgumentsRepairer()
        self._held = held
        self._others = others
        self._ends = ends or EndPolicy()
        self._pipeline = None if pipeline.empty else pipeline
        self._unwrap = unwrap
        self._collector = collector
        self._estimate_input = estimate_input
        self._characters = 0.0  # as many as ASCII text has for the same tokens
        self._received = 0
        self._closed = False
        self.meaningful = False
        #: Whether the response is complete although the upstream may go on.
        self.done = False
        self.failure: GatewayError | None = None
        self.usage: Usage | None = None
        #: The usage that the upstream itself has reported.
        self.reported: Usage | None = None

    def feed(self, data: bytes) -> Sequence[Event]:
        """Return the events that a chunk completes; none after a failure."""
        if self.failure is not None or self._closed:
            return []
        self._received += len(data)
        if self._received > RESPONSE_LIMIT:
            return self._note([StreamFailure(too_long())])
        try:
            frames = self._parser.feed(data)
        except (EventTooLargeError, UnusableResponseError) as error:
            return self._note([StreamFailure(_unreadable(error))])
        if len(frames) == 1:
            return self._read(frames[0])
        events: list[Event] = []
        for frame in frames:
            events += self._read(frame)
            if self.failure is not None or self.done:
                break
        return events

    def _read(self, frame: ServerSentEvent) -> Sequence[Event]:
        """Return the events in an event of the upstream."""
        text = frame.data
        if self._surrogates.half is None and text.isascii() and text.find(b"\\u") < 0:
            return self._decoded(frame)
        events: list[Event] = []
        for ready in self._surrogates.feed(frame):
            events += self._decoded(ready)
        return events

    def _decoded(self, frame: ServerSentEvent) -> Sequence[Event]:
        if self.failure is not None or self.done:
            return ()
        data = frame.data
        if len(data) > ITEM_LIMIT and has_too_many_items(data):
            return self._note([StreamFailure(too_many_items())])
        if self._unwrap is not None:
            frame = ServerSentEvent(frame.event, self._unwrap(data))
        if self._others is not None:
            others, self._others = self._others, None
            self._decoder = others(frame.data) or self._decoder
        return self._note(self._decoder.decode(frame))

    def end(self, error: GatewayError | None) -> list[Event]:
        """Return the events that the end of the body means."""
        if self._closed or self.failure is not None:
            return []
        self._closed = True
        events: list[Event] = []
        if not self.done:
            events += self._rest(error)
        if self._pipeline is not None and self.failure is None:
            events += self._pipeline.close()
            self.done = self._pipeline.done
        if self.done and self.usage is None:
            events.append(self._estimated_usage())
        return events

    def _rest(self, error: GatewayError | None) -> list[Event]:
        """Return the events that the end of the body completes."""
        events: list[Event] = []
        try:
            frames = self._parser.close() if error is None else self._parser.close_truncated()
        except (EventTooLargeError, UnusableResponseError) as found:
            return list(self._note([StreamFailure(_unreadable(found))]))
        for frame in frames:
            events += self._read(frame)
        for ready in self._surrogates.close():
            events += self._decoded(ready)
        if self.failure is not None:
            return events
        closing = self._decoder.close()
        if any(isinstance(event, StreamFailure) for event in closing):
            if error is not None:
                closing = [StreamFailure(error)]  # it is more precise
            elif (
                not self.meaningful
                and isinstance(self._parser, AnyFormParser)
                and self._parser.is_json
            ):
                # A whole JSON value is not truncated: another attempt would return the same.
                closing = [StreamFailure(self._source.not_a_completion())]
        events += self._note(closing)
        return events

    def _estimated_usage(self) -> UsageUpdate:
        """Return a usage for an upstream that is stopped before it reports its own."""
        self.usage = Usage(input_total=self._estimate_input(), output=self.estimate_output())
        return UsageUpdate(self.usage)

    def estimate_output(self) -> int:
        """Return about how many tokens the response had so far, by its text and tool calls."""
        return math.ceil(self._characters / ASCII_PER_TOKEN)

    def _note(self, events: Sequence[Event]) -> Sequence[Event]:
        """Update the state, and return the events after the passes."""
        if self.meaningful and len(events) == 1:
            only = events[0]
            if type(only) is TextDelta:  # nearly all events are
                self._characters += _size(only.text)
                return events if self._pipeline is None else self._passed(events)
        if not TOOL_CALL_EVENTS.isdisjoint(map(type, events)):
            events = self._arguments.feed(events)
        for event in events:
            kind = type(event)
            if kind in COLLECTED_EVENTS and self._collector is not None:
                self._collector.feed(event)
            if not self.meaningful and has_content(event, self._ends):
                self.meaningful = True
            if kind in _TEXTS:
                self._characters += _size(event.text)  # type: ignore[union-attr]
            elif kind is ToolCallDelta:
                self._characters += _size(event.arguments)  # type: ignore[union-attr]
            elif kind is ToolCallStart:
                self._characters += _size(event.name)  # type: ignore[union-attr]
            elif kind is UsageUpdate:
                self.usage = self.reported = event.usage  # type: ignore[union-attr]
            elif kind is StreamFailure:
                error: GatewayError = event.error  # type: ignore[union-attr]
                if isinstance(error, FaultyEndError) and self._delivers(error):
                    return self._ended(events, error)
                self.failure = error
        return events if self._pipeline is None else self._passed(events)

    def _passed(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events after the passes."""
        assert self._pipeline is not None
        events = self._pipeline.feed(events)
        self.done = self._pipeline.done
        return events

    def _delivers(self, error: FaultyEndError) -> bool:
        """Return whether a response is delivered although it ended with such a reason."""
        return self._ends.deliver and (self._held or not self.meaningful)

    def _ended(self, events: Sequence[Event], error: FaultyEndError) -> Sequence[Event]:
        """Return the events with a plain end in place of the failure."""
        self.meaningful = self._closed = True
        end: Event = Finish("stop", native=error.native)
        events = [end if isinstance(event, StreamFailure) else event for event in events]
        if self._pipeline is None:
            return events
        return [*self._pipeline.feed(events), *self._pipeline.close()]


def _size(text: str) -> float:
    """Return how many characters of ASCII text have as many tokens."""
    return len(text) if text.isascii() else estimate_text(text) * ASCII_PER_TOKEN


def _unreadable(error: Exception) -> GatewayError:
    """Return the error for a body that cannot be read as events."""
    if isinstance(error, GatewayError):
        return error
    return UpstreamError(f"The upstream's response cannot be read: {error}.")
