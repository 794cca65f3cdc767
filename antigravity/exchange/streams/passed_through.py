"""Streams in the client's own protocol: passed on, not translated.  Sans-IO."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from antigravity.exchange.streams.bounds import ITEM_LIMIT, has_too_many_items, too_many_items
from antigravity.exchange.streams.event_source import EndPolicy, Unwrap
from antigravity.exchange.streams.lone_surrogates import SurrogateJoiner
from antigravity.interfaces.protocols import (
    IClosingTap,
    IRepairingTap,
    IStreamEncoder,
    ITap,
)
from antigravity.interfaces.server_traits import IFramer
from antigravity.ir.errors import FaultyEndError, GatewayError, UpstreamError
from antigravity.ir.events import StreamFailure
from antigravity.ir.usage import Usage
from antigravity.redaction.errors import may_tell_of_errors, redact_errors
from antigravity.redaction.events import has_comments, redact_events
from antigravity.sse import (
    EventSplitter,
    EventTooLargeError,
    ServerSentEvent,
    SseDecoder,
    encode_data,
    encode_event,
)

#: What a JSON text may begin with.
_JSON_BEGINS: Final = b'{["-0123456789tfn'

#: Names of events that only keep a connection open, without dashes.
_KEEPALIVES: Final = frozenset({"ping", "heartbeat", "keepalive"})


def check_json(data: bytes) -> None:
    """Look whether an event's data can be whole JSON; both ends tell enough.

    Reading all of it would cost more than all the rest of passing it on.

    :raises msgspec.DecodeError: if it cannot.
    """
    begin, end = data[:1], data[-1:]
    if end.isspace():
        end = data.rstrip()[-1:]
    if not begin or begin not in _JSON_BEGINS or (begin == b"{") is not (end == b"}"):
        raise msgspec.DecodeError("an event is no JSON")


class _Tapped(ABC):
    """What both ways of passing have in common: the tap, and how the stream ends."""

    def __init__(self, tap: ITap, keepalive: bytes, ends: EndPolicy | None = None) -> None:
        self._tap = tap
        repairing = IRepairingTap(tap, None)
        self._repair: Callable[[ServerSentEvent], ServerSentEvent] | None = (
            None if repairing is None else repairing.repair
        )
        self._ends = ends or EndPolicy()
        self._halves = SurrogateJoiner()
        self._keepalive = keepalive
        self._sse = SseDecoder()
        self._told = False  # whether the upstream's own error was passed on
        self.failure: GatewayError | None = None
        self.over = False

    @property
    def meaningful(self) -> bool:
        """Whether real content has come, or an end that is one without it."""
        tap = self._tap
        if tap.meaningful:
            return True
        if not tap.finished:
            return False
        if tap.failure is None:
            return self._ends.accepts_empty
        return self._ends.deliver and isinstance(tap.failure, FaultyEndError)

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
            if len(frame.data) > ITEM_LIMIT and has_too_many_items(frame.data):
                return self._before(frames[:place], out) + self._broken(too_many_items())
            ready: Sequence[ServerSentEvent] = (frame,)
            if self._halves.concerns(frame.data):
                ready = self._halves.feed(frame)
                if len(ready) != 1 or ready[0] is not frame:
                    self._rewrite(frames[:place], out)
            size = len(out)
            try:
                if self._repair is not None:
                    ready = self._repaired(ready, frames[:place], out)
                    size = len(out)
                for each in ready:
                    out.append(self._pass(each))
            except msgspec.DecodeError as error:
                if not self._is_noise(frame):
                    return self._before(frames[:place], out) + self._senseless(error)
                del out[size:]
                self._rewrite(frames[:place], out)
                continue
            failure = self._tap.failure
            if failure is not None and not self._told:
                self._told = True
                if not _is_error_event(frame):
                    return self._before(frames[:place], out[:size]) + self._broken(failure)
        if self._tap.failure is not None and not self.meaningful:
            self.over = True  # nothing was sent: whatever follows is of no interest
            self.failure = self._tap.failure
        return self._passed(data, out)

    def _rewrite(self, before: Sequence[ServerSentEvent], out: list[bytes]) -> None:
        """Begin to write events anew, as one of them had to be changed.

        ``before`` are those that came whole in the same chunk, ``out`` is what they became.
        """
        return

    def _repaired(
        self,
        ready: Sequence[ServerSentEvent],
        before: Sequence[ServerSentEvent],
        out: list[bytes],
    ) -> Sequence[ServerSentEvent]:
        """Return events that clients can read; ``before`` and ``out`` as in :meth:`_rewrite`."""
        assert self._repair is not None
        if len(ready) == 1 and self._repair(ready[0]) is ready[0]:
            return ready
        repaired = [self._repair(each) for each in ready]
        if any(new is not old for new, old in zip(repaired, ready, strict=True)):
            self._rewrite(before, out)
        return repaired

    def _is_noise(self, frame: ServerSentEvent) -> bool:
        """Return whether an event that is no JSON can be left out, as it says nothing.

        Clients' parsers stumble over it.  Behind the end servers write marks of their own.
        """
        if not frame.data.strip() or self._tap.finished:
            return True
        return frame.event.lower().replace("_", "").replace("-", "") in _KEEPALIVES

    def _senseless(self, error: Exception) -> bytes:
        return self._broken(UpstreamError(f"The upstream sent a malformed response: {error}."))

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
        lacking = self._lacking() if error is None else b""
        if self._tap.finished or self._tap.failure is not None:
            self.failure = self._tap.failure
            return rest + lacking + self._ended()
        self.failure = error or UpstreamError(
            "The upstream broke off before its answer was complete; try again."
        )
        return rest + self._failed(self.failure)

    def _all_of(self, frames: Sequence[ServerSentEvent]) -> bytes:
        """Return what events become, nothing if one of them was cut in the middle."""
        try:
            return b"".join([self._pass(frame) for frame in frames])
        except msgspec.DecodeError:
            return b""

    def _lacking(self) -> bytes:
        """Return the last events of an answer that is complete without them."""
        closing = IClosingTap(self._tap, None)
        if self._tap.failure is not None or closing is None:
            return b""
        return closing.close() or b""

    def _rest(self) -> bytes:
        """Return the events that the end of the body completes, if it does."""
        frames = [each for frame in self._sse.close() for each in self._halves.feed(frame)]
        return self._all_of([*frames, *self._halves.close()])

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


class PassedThroughStream(_Tapped):
    """Whole events byte for byte; what follows a cut is the protocol's error event.

    Once one of them had to be changed, all that follow are written anew.
    """

    def __init__(
        self,
        tap: ITap,
        keepalive: bytes,
        encoder: IStreamEncoder,
        ends: EndPolicy | None = None,
    ) -> None:
        super().__init__(tap, keepalive, ends)
        self._splitter = EventSplitter()
        self._rewrites = False
        self._encoder = encoder
        self._tells_of_errors = False

    def _rewrite(self, before: Sequence[ServerSentEvent], out: list[bytes]) -> None:
        if not self._rewrites:
            self._rewrites = True
            out[:] = [_encoded(frame) for frame in before]

    def _pass(self, frame: ServerSentEvent) -> bytes:
        check_json(frame.data)
        if may_tell_of_errors(frame.data) or frame.event == "error":
            self._tells_of_errors = True
        self._tap.watch(frame)
        return _encoded(frame) if self._rewrites else b""

    def _passed(self, data: bytes, out: list[bytes]) -> bytes:
        events = b"".join(out) if self._rewrites else self._splitter.feed(data, self._sse.tail)
        has_comment = self._sse.has_comments and has_comments(events)
        if self._tells_of_errors or not out or has_comment:
            self._tells_of_errors = False
            return redact_events(events)
        return events

    def _before(self, frames: Sequence[ServerSentEvent], out: list[bytes]) -> bytes:
        if self._rewrites:
            return redact_events(b"".join(out))
        return redact_events(b"".join([_encoded(frame) for frame in frames]))

    def _rest(self) -> bytes:
        if self._rewrites:
            return redact_events(super()._rest())
        frames = self._sse.close()
        if any(self._halves.feed(frame) != (frame,) for frame in frames):
            self._halves = SurrogateJoiner()
            self._rewrites = True
            ready = [each for frame in frames for each in self._halves.feed(frame)]
            return redact_events(self._all_of([*ready, *self._halves.close()]))
        try:
            for frame in frames:
                self._pass(frame)
        except msgspec.DecodeError:
            return b""  # cut in the middle, so it says nothing
        rest = redact_events(self._splitter.rest()).rstrip(b"\r\n")
        return rest + b"\n\n" if rest else b""

    def _failed(self, error: GatewayError) -> bytes:
        return self._encoder.encode(StreamFailure(error))


def _encoded(frame: ServerSentEvent) -> bytes:
    """Return an event in the bytes that it came in, or some that mean the same."""
    data = frame.data.replace(b"\n", b"\ndata: ")
    return encode_event(frame.event.encode(), data) if frame.event else encode_data(data)


def _is_error_event(frame: ServerSentEvent) -> bool:
    """Return whether clients see an error in an event, or a reason for an end, as it came."""
    data = frame.data
    if b'"finishReason"' in data or frame.event.startswith("response."):
        return True
    if b'"error"' not in data or b'"message"' not in data or b'"error":"' in data:
        return False
    return b'"type"' in data or b'"status"' in data


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
        ends: EndPolicy | None = None,
    ) -> None:
        super().__init__(tap, keepalive, ends)
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
