"""What happens to the bytes of an upstream's streamed answer, sans-IO.

A translator takes chunks of the upstream's body and gives back bytes for the client.  It
knows when the answer has really begun (``meaningful``) and when it is complete (``over``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from antigravity.context.estimate import ASCII_PER_TOKEN
from antigravity.exchange.bounds import (
    ANSWER_LIMIT,
    has_too_many_items,
    too_long,
    too_many_items,
)
from antigravity.exchange.frames import Frames, frames_for
from antigravity.interfaces.audio import IDeliberateEncoder
from antigravity.interfaces.protocols import IStreamDecoder, IStreamEncoder
from antigravity.ir.errors import EmptyAnswerError, GatewayError, UpstreamError
from antigravity.ir.events import (
    MEANINGFUL,
    Event,
    Finish,
    RefusalDelta,
    StreamFailure,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from antigravity.ir.response import Response, ResponseFold
from antigravity.ir.usage import Usage
from antigravity.lowering.pipeline import EventPipeline
from antigravity.sse import EventTooLargeError, SseDecoder

Unwrap = Callable[[bytes], bytes]


class Translator(Protocol):
    """Upstream bytes in, client bytes out."""

    #: Whether nothing more will come out, so that the upstream need not go on.
    over: bool

    @property
    def meaningful(self) -> bool:
        """Whether real content has come; from then on the client may be answered."""

    @property
    def failure(self) -> GatewayError | None:
        """What went wrong, if something did."""

    @property
    def usage(self) -> Usage | None:
        """The last usage that was reported."""

    def feed(self, data: bytes) -> bytes:
        """Return what a chunk of the upstream's body becomes."""

    def end(self, error: GatewayError | None) -> bytes:
        """Return what the end of the body becomes; ``error`` says why it came too early."""

    def keepalive(self) -> bytes:
        """Return bytes that may be sent now and mean nothing."""


def empty_answer() -> EmptyAnswerError:
    """Return the error for an answer that ended before it said anything."""
    return EmptyAnswerError("The upstream ended its answer before it said anything; try again.")


def _says_something(event: Event) -> bool:
    """Return whether an event shows that the answer has really begun."""
    if isinstance(event, TextDelta | ThinkingDelta | RefusalDelta):
        return bool(event.text)
    if isinstance(event, Finish):
        # An empty answer with one of these reasons is an answer: there is nothing to retry.
        return event.reason not in ("stop", "tool_calls")
    return isinstance(event, MEANINGFUL)


class EventSource:
    """Upstream bytes to events of the representation, through the passes of one request."""

    def __init__(
        self,
        decoder: IStreamDecoder,
        pipeline: EventPipeline,
        unwrap: Unwrap | None,
        watch: Callable[[Event], None] | None,
        estimate_input: Callable[[], int],
        *,
        whole: bool = False,
    ) -> None:
        self._frames: Frames = frames_for(decoder, whole=whole)
        self._decoder = decoder
        self._pipeline = None if pipeline.empty else pipeline
        self._unwrap = unwrap
        self._watch = watch
        self._estimate_input = estimate_input
        self._spoken = 0
        self._received = 0
        self._closed = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self.usage: Usage | None = None
        #: What the upstream itself has said of it.
        self.reported: Usage | None = None

    @property
    def done(self) -> bool:
        """Whether the answer is complete although the upstream may go on."""
        return self._pipeline is not None and self._pipeline.done

    def feed(self, data: bytes) -> Sequence[Event]:
        """Return the events that a chunk completes; none after a failure."""
        if self.failure is not None or self._closed:
            return []
        self._received += len(data)
        if self._received > ANSWER_LIMIT:
            return self._note([StreamFailure(too_long())])
        try:
            frames = self._frames.feed(data)
        except EventTooLargeError as error:
            return self._note([StreamFailure(UpstreamError(f"The upstream's answer: {error}."))])
        events: list[Event] = []
        for frame in frames:
            if has_too_many_items(frame.data):
                events += self._note([StreamFailure(too_many_items())])
                break
            if self._unwrap is not None:
                frame = frame._replace(data=self._unwrap(frame.data))
            events += self._note(self._decoder.decode(frame))
            if self.failure is not None or self.done:
                break
        return events

    def end(self, error: GatewayError | None) -> list[Event]:
        """Return the events that the end of the body means."""
        if self._closed or self.failure is not None:
            return []
        self._closed = True
        events: list[Event] = []
        if not self.done:
            # What a cut has left of a body or a line is none.
            cut_short = error is not None and not isinstance(self._frames, SseDecoder)
            for frame in () if cut_short else self._frames.close():
                if has_too_many_items(frame.data):
                    return [*events, *self._note([StreamFailure(too_many_items())])]
                if self._unwrap is not None:
                    frame = frame._replace(data=self._unwrap(frame.data))
                events += self._note(self._decoder.decode(frame))
            closing = self._decoder.close()
            if error is not None and any(isinstance(event, StreamFailure) for event in closing):
                closing = [StreamFailure(error)]  # it knows better why the end came
            events += self._note(closing)
        if self._pipeline is not None and self.failure is None:
            events += self._pipeline.close()
        if self.done and self.usage is None:
            events.append(self._estimated_usage())
        return events

    def _estimated_usage(self) -> UsageUpdate:
        """Return a usage for an upstream that is stopped before it could tell its own."""
        spoken = math.ceil(self._spoken / ASCII_PER_TOKEN)
        self.usage = Usage(input_total=self._estimate_input(), output=spoken)
        return UsageUpdate(self.usage)

    def _note(self, events: Sequence[Event]) -> Sequence[Event]:
        """Remember what matters, and return the events after the passes."""
        for event in events:
            if self._watch is not None:
                self._watch(event)
            if not self.meaningful and _says_something(event):
                self.meaningful = True
            kind = type(event)
            if kind is TextDelta:
                self._spoken += len(event.text)  # type: ignore[union-attr]
            elif kind is UsageUpdate:
                self.usage = self.reported = event.usage  # type: ignore[union-attr]
            elif kind is StreamFailure:
                self.failure = event.error  # type: ignore[union-attr]
        return events if self._pipeline is None else self._pipeline.feed(events)


class TranslatedStream:
    """Events of one protocol to the stream of another."""

    def __init__(self, source: EventSource, encoder: IStreamEncoder) -> None:
        self._source = source
        self._encoder = encoder
        self._judge: Any = encoder if IDeliberateEncoder.providedBy(encoder) else None
        self.over = False

    @property
    def meaningful(self) -> bool:
        """Whether real content has come, also in the eyes of an encoder that looks at it."""
        return self._source.meaningful and (self._judge is None or self._judge.begun)

    @property
    def failure(self) -> GatewayError | None:
        """What went wrong, if something did."""
        if self._source.failure is None and self._judge is not None:
            failure: GatewayError | None = self._judge.failure
            return failure
        return self._source.failure

    @property
    def usage(self) -> Usage | None:
        """The last usage that was reported."""
        return self._source.usage

    def feed(self, data: bytes) -> bytes:
        """Return what a chunk of the upstream's body becomes."""
        out = self._encode(self._source.feed(data))
        if self.failure is not None:
            self.over = True  # whatever the upstream still has to say
        elif self._source.done and not self.over:
            out += self.end(None)
        return out

    def end(self, error: GatewayError | None) -> bytes:
        """Return the end of the client's stream."""
        if self.over:
            return b""
        out = self._encode(self._source.end(error))
        self.over = True
        return out if self._source.failure is not None else out + self._encoder.end()

    def keepalive(self) -> bytes:
        """Return bytes that may be sent now and mean nothing."""
        return self._encoder.keepalive()

    def _encode(self, events: Sequence[Event]) -> bytes:
        if not events:
            return b""
        encode = self._encoder.encode
        if len(events) == 1:
            return encode(events[0])
        return b"".join([encode(event) for event in events])


class FoldedAnswer:
    """Events to one whole response; nothing goes out before the end."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._fold = ResponseFold()
        self.over = False

    @property
    def meaningful(self) -> bool:
        """Never before the end: a whole answer can be retried until it is complete."""
        return False

    @property
    def failure(self) -> GatewayError | None:
        """What went wrong, if something did."""
        return self._source.failure

    @property
    def usage(self) -> Usage | None:
        """The last usage that was reported."""
        return self._source.usage

    def feed(self, data: bytes) -> bytes:
        """Take a chunk in."""
        self._take(self._source.feed(data))
        if self._source.failure is not None:
            self.over = True
        elif self._source.done:
            self.end(None)
        return b""

    def end(self, error: GatewayError | None) -> bytes:
        """Take the end in."""
        if not self.over:
            self.over = True
            self._take(self._source.end(error))
        return b""

    def keepalive(self) -> bytes:
        """Return nothing: there is no stream."""
        return b""

    def response(self) -> Response:
        """Return the whole answer.

        :raises GatewayError: if the answer broke off, or is empty.
        """
        if self._source.failure is not None:
            raise self._source.failure
        if not self._source.meaningful:
            raise empty_answer()
        return self._fold.response()

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            if not isinstance(event, StreamFailure):
                self._fold.feed(event)
