"""What happens to the bytes of an upstream's streamed answer, sans-IO.

A translator takes chunks of the upstream's body and gives back bytes for the client.  It
knows when the answer has really begun (``meaningful``) and when it is complete (``over``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from antigravity.exchange.streams.event_source import EventSource
from antigravity.interfaces.audio import IDeliberateEncoder
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.errors import EmptyAnswerError, GatewayError
from antigravity.ir.events import Event, StreamFailure
from antigravity.ir.response import Response, ResponseFold
from antigravity.ir.usage import Usage


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


def empty_response_error() -> EmptyAnswerError:
    """Return the error for an answer that ended before it said anything."""
    return EmptyAnswerError("The upstream ended its answer before it said anything; try again.")


class TranslatedStream:
    """Events of one protocol to the stream of another."""

    def __init__(self, source: EventSource, encoder: IStreamEncoder) -> None:
        self._source = source
        self._encoder = encoder
        self._judge: Any = IDeliberateEncoder(encoder, None)
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


class ResponseCollector:
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
            raise empty_response_error()
        return self._fold.response()

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            if not isinstance(event, StreamFailure):
                self._fold.feed(event)
