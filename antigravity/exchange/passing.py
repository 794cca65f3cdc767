"""Streams in the client's own protocol: passed on, not translated.  Sans-IO."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from antigravity.exchange.bounds import has_too_many_items, too_many_items
from antigravity.exchange.translators import Unwrap
from antigravity.interfaces.protocols import IFramer, IStreamEncoder, ITap
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import StreamFailure
from antigravity.ir.usage import Usage
from antigravity.redaction.errors import may_tell_of_errors, redact_errors
from antigravity.redaction.events import has_comments, redact_events
from antigravity.sse import (
    EventCutter,
    EventTooLargeError,
    ServerSentEvent,
    SseDecoder,
    encode_data,
    encode_event,
)

#: What a JSON text may begin with.
_JSON_BEGINS: Final = b'{["-0123456789tfn'


def check_json(data: bytes) -> None:
    """Look whether an event's data can be whole JSON; both ends tell enough.

    Reading all of it would cost more than all the rest of passing it on.

    :raises msgspec.DecodeError: if it cannot.
    """
    begin, end = data[:1], data.rstrip()[-1:]
    if not begin or begin not in _JSON_BEGINS or (begin == b"{") is not (end == b"}"):
        raise msgspec.DecodeError("an event is no JSON")


class _Tapped(ABC):
    """What both ways of passing have in common: the tap, and how the stream ends."""

    def __init__(self, tap: ITap, keepalive: bytes) -> None:
        self._tap = tap
        self._keepalive = keepalive
        self._sse = SseDecoder()
        self.failure: GatewayError | None = None
        self.over = False

    @property
    def meaningful(self) -> bool:
        """Whether real content has come."""
        return bool(self._tap.meaningful)

    @property
    def usage(self) -> Usage | None:
        """The last usage that was reported."""
        usage: Usage | None = self._tap.usage
        return usage

    def keepalive(self) -> bytes:
        """Return bytes that may stand between two events."""
        return self._keepalive

    def feed(self, data: bytes) -> bytes:
        """Return the events that a chunk completes."""
        if self.over:
            return b""
        try:
            frames = self._sse.feed(data)
        except EventTooLargeError as error:
            return self._senseless(error)
        out: list[bytes] = []
        for place, frame in enumerate(frames):
            if has_too_many_items(frame.data):
                return self._before(frames[:place], out) + self._broken(too_many_items())
            try:
                out.append(self._pass(frame))
            except msgspec.DecodeError as error:
                return self._before(frames[:place], out) + self._senseless(error)
        return self._passed(data, out)

    def _senseless(self, error: Exception) -> bytes:
        return self._broken(UpstreamError(f"The upstream's answer makes no sense: {error}."))

    def _broken(self, error: GatewayError) -> bytes:
        self.over = True
        self.failure = error
        return self._failed(error)

    def end(self, error: GatewayError | None) -> bytes:
        """Return the end of the stream, with an error event if it broke off."""
        if self.over:
            return b""
        self.over = True
        rest = b"" if error is not None else self._rest()
        if self._tap.finished or self._tap.failure is not None:
            self.failure = self._tap.failure
            return rest + self._ended()
        self.failure = error or UpstreamError(
            "The upstream broke off before its answer was complete; try again."
        )
        return rest + self._failed(self.failure)

    def _rest(self) -> bytes:
        """Return the event that the end of the body completes, if it does."""
        try:
            return b"".join([self._pass(frame) for frame in self._sse.close()])
        except msgspec.DecodeError:
            return b""  # cut in the middle, so it says nothing

    @abstractmethod
    def _pass(self, frame: ServerSentEvent) -> bytes:
        """Show the tap an event, and return it in the client's framing.

        :raises msgspec.DecodeError: if it makes no sense.
        """

    def _passed(self, data: bytes, out: list[bytes]) -> bytes:
        """Return what the client gets for a chunk that completed events."""
        return b"".join(out)

    def _before(self, frames: Sequence[ServerSentEvent], out: list[bytes]) -> bytes:
        """Return what the client gets of a chunk of which only ``frames`` make sense."""
        return b"".join(out)

    @abstractmethod
    def _failed(self, error: GatewayError) -> bytes:
        """Return the end of a stream that broke off."""

    def _ended(self) -> bytes:
        """Return the end of a stream that is complete."""
        return b""


class PassedStream(_Tapped):
    """Whole events byte for byte; what follows a cut is the protocol's error event."""

    def __init__(self, tap: ITap, keepalive: bytes, encoder: IStreamEncoder) -> None:
        super().__init__(tap, keepalive)
        self._cutter = EventCutter()
        self._encoder = encoder
        self._tells_of_errors = False

    def _pass(self, frame: ServerSentEvent) -> bytes:
        check_json(frame.data)
        if may_tell_of_errors(frame.data) or frame.event == "error":
            self._tells_of_errors = True
        self._tap.watch(frame)
        return b""

    def _passed(self, data: bytes, out: list[bytes]) -> bytes:
        events = self._cutter.feed(data)
        if self._tells_of_errors or not out or has_comments(events):
            self._tells_of_errors = False
            return redact_events(events)
        return events

    def _before(self, frames: Sequence[ServerSentEvent], out: list[bytes]) -> bytes:
        return redact_events(b"".join([_encoded(frame) for frame in frames]))

    def _rest(self) -> bytes:
        frames = self._sse.close()
        try:
            for frame in frames:
                self._pass(frame)
        except msgspec.DecodeError:
            return b""  # cut in the middle, so it says nothing
        rest = redact_events(self._cutter.rest()).rstrip(b"\r\n")
        return rest + b"\n\n" if rest else b""

    def _failed(self, error: GatewayError) -> bytes:
        return self._encoder.encode(StreamFailure(error))


def _encoded(frame: ServerSentEvent) -> bytes:
    """Return an event in the bytes that it came in, or some that mean the same."""
    data = frame.data.replace(b"\n", b"\ndata: ")
    return encode_event(frame.event.encode(), data) if frame.event else encode_data(data)


class SseFramer(Protocol):
    """What writes payloads; see :class:`IFramer`."""

    def frame(self, data: bytes) -> bytes:
        """Return one payload framed."""

    def end(self) -> bytes:
        """Return what ends the stream."""


class _PlainFramer:
    """Unnamed server-sent events."""

    frame = staticmethod(encode_data)

    @staticmethod
    def end() -> bytes:
        return b""


class ReframedStream(_Tapped):
    """Payloads as they came, in another framing: out of an envelope, or into a JSON array.

    ``error_body`` gives the JSON of an error, which is an event of its own in these streams.
    """

    def __init__(
        self,
        tap: ITap,
        keepalive: bytes,
        unwrap: Unwrap,
        framer: IFramer | None,
        error_body: Callable[[GatewayError], bytes],
    ) -> None:
        super().__init__(tap, keepalive)
        self._unwrap = unwrap
        self._framer: SseFramer = framer or _PlainFramer()
        self._error_body = error_body

    def _ended(self) -> bytes:
        return self._framer.end()

    def _failed(self, error: GatewayError) -> bytes:
        return self._framer.frame(self._error_body(error)) + self._framer.end()

    def _pass(self, frame: ServerSentEvent) -> bytes:
        payload = self._unwrap(frame.data)
        check_json(payload)
        self._tap.watch(frame._replace(data=payload))
        return self._framer.frame(redact_errors(payload, frame.event))
