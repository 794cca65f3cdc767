"""The base class of stream encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.errors import GatewayError, incomplete_response_error
from antigravity.ir.events import Event, ResponseStart, StreamFailure, ToolCallDelta, UsageUpdate
from antigravity.ir.usage import Usage
from antigravity.protocols.event_sequencer import (
    EventOrder,
    EventSequencer,
    OrderedEvent,
    SequencedEvent,
)
from antigravity.sse import KEEPALIVE_COMMENT

#: One choice, with nothing between the deltas of a tool call.
SEQUENTIAL = EventOrder()


@implementer(IStreamEncoder)
class StreamEncoder(ABC):
    """Encodes one streamed response; events reach :meth:`write` in a legal order.

    A subclass encodes events, the end and a failure; :class:`EventSequencer` puts them in order.
    Callers use :class:`IStreamEncoder`.

    :ivar usage: the last usage that was reported.
    """

    content_type: str = "text/event-stream"
    #: What :meth:`keepalive` returns before the end.
    keepalive_bytes: ClassVar[bytes] = KEEPALIVE_COMMENT

    def __init__(self, order: EventOrder = SEQUENTIAL) -> None:
        self.sequencer = EventSequencer(order)
        self.usage = Usage()

    @abstractmethod
    def write(self, event: OrderedEvent) -> bytes:
        """Return the bytes of one event of a choice, in the order of :class:`EventSequencer`."""

    @abstractmethod
    def complete(self) -> bytes:
        """Return the end of a response that is complete."""

    @abstractmethod
    def fail(self, error: GatewayError) -> bytes:
        """Return the end of a response that failed."""

    def start(self, event: ResponseStart) -> bytes:
        """Return the bytes before the first choice, often none."""
        return b""

    def write_usage(self) -> bytes:
        """Return the bytes that a new :attr:`usage` adds, often none."""
        return b""

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream, often none."""
        content: Any = event
        kind = type(event)
        sequencer = self.sequencer
        passes = kind in sequencer.passing or (
            kind is ToolCallDelta and content.call in sequencer.passing_calls
        )
        if passes and content.choice == 0:
            return self.write(content)
        return self.write_all(sequencer.feed(event))

    def write_all(self, events: Iterable[SequencedEvent]) -> bytes:
        """Return the bytes of several events."""
        return b"".join([self._write_any(event) for event in events])

    def _write_any(self, event: SequencedEvent) -> bytes:
        match event:
            case ResponseStart():
                return self.start(event)
            case UsageUpdate():
                self.usage = event.usage
                return self.write_usage()
            case StreamFailure():
                return self.fail(event.error)
            case _:
                return self.write(event)

    def keepalive(self) -> bytes:
        """Return bytes that clients ignore at this point, or ``b""`` if there are none."""
        return b"" if self.sequencer.over else self.keepalive_bytes

    def abort(self, error: GatewayError) -> bytes:
        """End the stream with an error that the encoder itself has found."""
        self.sequencer.close()
        return self.fail(error)

    def end(self) -> bytes:
        """Return the terminal events, or the error of a response that is not complete."""
        if self.sequencer.over:
            return b""
        return self.complete() if self.sequencer.close() else self.fail(incomplete_response_error())
