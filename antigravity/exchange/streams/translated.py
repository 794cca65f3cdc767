"""Translators of an upstream's response.  Sans-IO.

A translator takes chunks of the upstream's body and returns bytes for the client.  It knows when
the response has content (``meaningful``) and when it is complete (``over``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from antigravity.exchange.streams.event_source import EventSource
from antigravity.interfaces.audio import IDeliberateEncoder
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.errors import GatewayError, empty_response_error
from antigravity.ir.events import Event, StreamFailure
from antigravity.ir.response import Response, ResponseFold
from antigravity.ir.usage import Usage


class Translator(Protocol):
    """Upstream bytes in, client bytes out."""

    #: Whether the output is complete, so that the upstream can be stopped.
    over: bool

    @property
    def meaningful(self) -> bool:
        """Whether content was seen; from then on bytes may be sent to the client."""

    @property
    def failure(self) -> GatewayError | None:
        """The error that ended the response, if any."""

    @property
    def usage(self) -> Usage | None:
        """The last usage that was reported."""

    def estimate_output(self) -> int:
        """Return about how many tokens the response had so far, 0 if nothing is known."""

    def feed(self, data: bytes) -> bytes:
        """Return the client's bytes for a chunk of the upstream's body."""

    def end(self, error: GatewayError | None) -> bytes:
        """Return the client's bytes for the end of the body; ``error`` says why it is truncated."""

    def keepalive(self) -> bytes:
        """Return a keep-alive that may be sent now."""


class _DecodedResponse(ABC):
    """A translator that reads the events of a source; subclasses write or collect them."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._judge: Any = None
        self.over = False

    @property
    def failure(self) -> GatewayError | None:
        """The error that ended the response, if any."""
        return self._source.failure

    @property
    def usage(self) -> Usage | None:
        """The last usage that was reported."""
        return self._source.usage

    def estimate_output(self) -> int:
        """Return about how many tokens the response had so far."""
        return self._source.estimate_output()

    def feed(self, data: bytes) -> bytes:
        """Return the client's bytes for a chunk of the upstream's body."""
        source, judge = self._source, self._judge
        out = self._encode(source.feed(data))
        if source.failure is not None or (judge is not None and judge.failure is not None):
            self.over = True  # whatever the upstream still sends
        elif source.done and not self.over:
            out += self.end(None)
        return out

    def end(self, error: GatewayError | None) -> bytes:
        """Return the client's bytes for the end of the body."""
        if self.over:
            return b""
        out = self._encode(self._source.end(error))
        self.over = True
        return out if self._source.failure is not None else out + self._encode_end()

    @abstractmethod
    def _encode(self, events: Sequence[Event]) -> bytes:
        """Return the client's bytes for some events."""

    def _encode_end(self) -> bytes:
        """Return the client's bytes for the end of a response that did not fail."""
        return b""


class TranslatedStream(_DecodedResponse):
    """Encodes the events of one protocol as the stream of another."""

    def __init__(self, source: EventSource, encoder: IStreamEncoder) -> None:
        super().__init__(source)
        self._encoder = encoder
        self._judge = IDeliberateEncoder(encoder, None)

    @property
    def meaningful(self) -> bool:
        """Whether content was seen, and the encoder accepts it."""
        return self._source.meaningful and (self._judge is None or self._judge.begun)

    @property
    def failure(self) -> GatewayError | None:
        """The error that ended the response, or that the encoder found in it, if any."""
        if self._source.failure is None and self._judge is not None:
            failure: GatewayError | None = self._judge.failure
            return failure
        return self._source.failure

    def keepalive(self) -> bytes:
        """Return a keep-alive that may be sent now."""
        return self._encoder.keepalive()

    def _encode(self, events: Sequence[Event]) -> bytes:
        if len(events) == 1:
            return self._encoder.encode(events[0])
        return b"".join(map(self._encoder.encode, events))

    def _encode_end(self) -> bytes:
        return self._encoder.end()


class ResponseCollector(_DecodedResponse):
    """Collects events to one whole response; there is no output.

    It is never ``meaningful``: a whole response can be retried until it is complete.
    """

    meaningful = False

    def __init__(self, source: EventSource) -> None:
        super().__init__(source)
        self._fold = ResponseFold()

    def keepalive(self) -> bytes:
        """Return nothing: there is no stream."""
        return b""

    def response(self) -> Response:
        """Return the whole response.

        :raises GatewayError: if the response failed, or is empty.
        """
        if self._source.failure is not None:
            raise self._source.failure
        if not self._source.meaningful:
            raise empty_response_error()
        return self._fold.response()

    def _encode(self, events: Sequence[Event]) -> bytes:
        for event in events:
            if type(event) is not StreamFailure:
                self._fold.feed(event)
        return b""
