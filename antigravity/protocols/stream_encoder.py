"""The base of stream encoders: what all of them do alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.errors import GatewayError, incomplete_response
from antigravity.ir.events import Event, StreamFailure, ToolCallDelta, UsageUpdate
from antigravity.ir.usage import Usage
from antigravity.protocols.event_sequencer import EventOrder, EventSequencer, SequencedEvent
from antigravity.sse import KEEPALIVE_COMMENT

#: One choice, in which nothing may come between the deltas of a tool call.
SEQUENTIAL = EventOrder()


@implementer(IStreamEncoder)
class StreamEncoder(ABC):
    """Encodes one streamed response; events reach :meth:`write` in an order that is legal.

    A subclass writes events, the end and a failure, and need not look for any other order than
    the one that :class:`EventSequencer` promises.  See :class:`IStreamEncoder` for its callers.

    :ivar usage: the last usage that was reported.
    """

    content_type: str = "text/event-stream"
    #: What :meth:`keepalive` returns before the end.
    idle_bytes: ClassVar[bytes] = KEEPALIVE_COMMENT

    def __init__(self, order: EventOrder = SEQUENTIAL) -> None:
        self.sequencer = EventSequencer(order)
        self.usage = Usage()

    @abstractmethod
    def write(self, event: SequencedEvent) -> bytes:
        """Return the bytes of one event, in the order of :class:`EventSequencer`."""

    @abstractmethod
    def complete(self) -> bytes:
        """Return the end of a response that is complete."""

    @abstractmethod
    def fail(self, error: GatewayError) -> bytes:
        """Return the end of a response that failed."""

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream, often none."""
        content: Any = event
        if type(event) in self.sequencer.passing and content.choice == 0:
            return self.write(event)
        if type(event) is ToolCallDelta and self.sequencer.continues(event):
            return self.write(event)
        if isinstance(event, UsageUpdate):
            self.usage = event.usage
        events = self.sequencer.feed(event)
        if isinstance(event, StreamFailure):
            return self.fail(event.error) if events else b""
        return self.write_all(events)

    def write_all(self, events: Iterable[SequencedEvent]) -> bytes:
        """Return the bytes of several events."""
        return b"".join([self.write(event) for event in events])

    def keepalive(self) -> bytes:
        """Return bytes that are legal now and mean nothing, or ``b""`` where there are none."""
        return b"" if self.sequencer.over else self.idle_bytes

    def end(self) -> bytes:
        """Return the terminal events, or the error of a response that is not complete."""
        if self.sequencer.over:
            return b""
        return self.complete() if self.sequencer.close() else self.fail(incomplete_response())
