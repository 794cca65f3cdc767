"""The client's stream when the events of several branches are merged into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from antigravity.interfaces.exchange import IInterruptibleStream
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import (
    Event,
    ResponseStart,
    StreamFailure,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
)


@implementer(IInterruptibleStream, IPushProducer)
class MergedStream:
    """Encodes the events of all branches, and holds the output until the client reads it.

    The registered producers are paused while the client does not read.  ``cancel`` is called
    once if the client leaves before the end.
    """

    def __init__(
        self,
        clock: IReactorTime,
        keepalive_interval: float,
        encoder: IStreamEncoder,
        cancel: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._interval = keepalive_interval
        self._encoder = encoder
        self._cancel: Callable[[], None] | None = cancel
        self._calls: dict[tuple[int, int], int] = {}
        self._started = False
        self._held: list[bytes] = []
        self._consumer: IConsumer | None = None
        self._written: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._producers: list[IPushProducer] = []
        self._paused = False
        self._ended = False

    # -- the branches' side -------------------------------------------------------------

    def add(self, producer: IPushProducer) -> None:
        """Pause ``producer``, too, while the client does not read."""
        self._producers.append(producer)
        if self._paused:
            producer.pauseProducing()

    def remove(self, producer: IPushProducer) -> None:
        """Forget a producer that has written everything."""
        self._producers.remove(producer)

    def relay(self, event: Event, first: int) -> None:
        """Write an event of a response, renumbered: its choices come from ``first`` on.

        The first response that starts gives the stream its id and model.
        """
        match event:
            case ResponseStart():
                if self._started:
                    return
                self._started = True
            case UsageUpdate() | StreamFailure():
                raise ValueError("usage and failures are about the whole response: send() them")
            case ToolCallStart() | ToolCallDelta() | ToolCallEnd():
                call = self._calls.setdefault((first, event.call), len(self._calls))
                event = replace(event, choice=first + event.choice, call=call)
            case _:
                event = replace(event, choice=first + event.choice)
        self.send(event)

    def send(self, event: Event) -> None:
        """Write an event that is about the whole response."""
        self.write(self._encoder.encode(event))

    def write(self, out: bytes) -> None:
        """Write bytes as soon as the client reads."""
        if out:
            self._held.append(out)
            self._flush()

    def end(self, error: GatewayError | None) -> None:
        """End the stream once everything is written; ``error`` says why it broke off."""
        self.write(self._encoder.encode(StreamFailure(error)) if error else self._encoder.end())
        self._ended = True
        self._cancel = None
        self._flush()

    # -- the client's side --------------------------------------------------------------

    def start(self, consumer: IConsumer) -> Deferred[None]:
        """Write to ``consumer``; see :class:`IReplyStream`."""
        written: Deferred[None] = Deferred(lambda _: self.abandon())
        self._written, self._consumer = written, consumer
        consumer.registerProducer(self, True)
        self._arm()
        self._flush()
        return written

    def abandon(self) -> None:
        """Cancel all branches and write nothing more."""
        cancel, self._cancel = self._cancel, None
        self._consumer, self._held = None, []
        self._disarm()
        if cancel is not None:
            cancel()

    def interrupt(self, error: GatewayError) -> None:
        """Cancel all branches; the one who runs them then ends the stream."""
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()

    def pauseProducing(self) -> None:
        """Hold the output, and pause the branches."""
        self._paused = True
        for producer in list(self._producers):
            producer.pauseProducing()

    def resumeProducing(self) -> None:
        """Write what was held, and resume the branches."""
        self._paused = False
        self._flush()
        for producer in list(self._producers):
            if not self._paused:
                producer.resumeProducing()

    def stopProducing(self) -> None:
        """Stop for good."""
        self.abandon()

    # -- inside -------------------------------------------------------------------------

    def _flush(self) -> None:
        while self._consumer is not None and self._held and not self._paused:
            self._consumer.write(self._held.pop(0))
        consumer, written = self._consumer, self._written
        if self._ended and not self._held and consumer is not None and written is not None:
            self._consumer = self._written = None
            self._disarm()
            consumer.unregisterProducer()
            written.callback(None)

    def _arm(self) -> None:
        if self._interval > 0:
            self._timer = self._clock.callLater(self._interval, self._tick)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _tick(self) -> None:
        self._timer = None
        if not self._held and not self._paused:
            self.write(self._encoder.keepalive())
        if self._consumer is not None:
            self._arm()


@implementer(IConsumer)
class BranchConsumer:
    """The consumer of one branch's stream: registers its producer with the merged stream."""

    def __init__(self, stream: MergedStream) -> None:
        self._stream = stream
        self._producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause ``producer`` while the client does not read."""
        self._producer = producer
        self._stream.add(producer)

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._stream.remove(producer)

    def write(self, data: bytes) -> None:
        """Write to the merged stream."""
        self._stream.write(data)
