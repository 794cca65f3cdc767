"""Streams in the client's own protocol: passed through, not translated.  Sans-IO."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from antigravity.exchange.streams.event_source import EndPolicy, Unwrap
from antigravity.exchange.streams.repeated_delta import RepeatedDelta, repeated_delta
from antigravity.exchange.streams.tapped_stream import TappedStream, check_json, next_event
from antigravity.interfaces.protocols import (
    INumberedTap,
    INumberingEncoder,
    IStreamEncoder,
    ITap,
    ITextIgnoringTap,
)
from antigravity.interfaces.server_traits import IFramer
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import StreamFailure
from antigravity.redaction.errors import may_describe_error, redact_errors
from antigravity.redaction.events import has_comments, redact_events
from antigravity.redaction.forms import SHORTEST
from antigravity.sse import EventSplitter, ServerSentEvent, encode_data, encode_event

#: Deltas that are compared with the next ones, although none was like the one before it.
_ATTEMPTS: Final = 4


class PassedThroughStream(TappedStream):
    """Whole events, byte for byte; a stream that fails ends with the protocol's error event.

    Once an event had to be changed, all later ones are encoded again.

    Deltas that repeat the last one with another text pass without any other look.
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
        self._may_have_errors = False
        ignoring = ITextIgnoringTap(tap, None)
        self._ignores_text: Callable[[], bool] | None = (
            None if ignoring is None else ignoring.ignores_text
        )
        #: What further deltas are compared with; ``None`` after any other event.
        self._repeated: RepeatedDelta | None = None
        self._attempts = 0 if ignoring is None else _ATTEMPTS
        #: About how many tokens there were: one for each event, more where its text is long.
        self._tokens = 0.0

    def estimate_output(self) -> int:
        """Return about how many tokens there were, by the number and the size of events."""
        self._look_again()
        return math.ceil(self._tokens)

    def feed(self, data: bytes) -> bytes:
        """Return the client's bytes for a chunk of the upstream's body."""
        repeated = self._repeated
        if repeated is not None and repeated.matches(data):
            repeated.size += len(data)
            return data
        return super().feed(data)

    def _feed_parts(self, data: bytes, blank: bytes, out: list[bytes]) -> None:
        if self._repeated is None and self._attempts and data and not self.over:
            first = data[: next_event(data, blank, 0)]
            payloads = self._deltas(first)
            if payloads is not None:
                out.append(self._write_deltas(first, payloads))
                data = data[len(first) :]
        if self._repeated is not None and self._repeated.matches(data):
            self._repeated.size += len(data)
            out.append(data)
        else:
            super()._feed_parts(data, blank, out)

    def _may_have_deltas(self) -> bool:
        return not self._rewrites and not self._splitter.held

    def _write_deltas(self, data: bytes, payloads: Sequence[bytes]) -> bytes:
        self._look_again()
        self._tokens += len(payloads)
        if self._attempts and len(payloads) == 1:
            self._attempts -= 1
            if self._ignores_text is not None and self._ignores_text():
                self._repeated = repeated_delta(data)
        return data

    def _look_again(self) -> None:
        repeated, self._repeated = self._repeated, None
        if repeated is not None and repeated.size:
            self._attempts = _ATTEMPTS
            self._tokens += repeated.estimate_tokens()

    def _start_rewrite(self, before: Sequence[ServerSentEvent], out: list[bytes]) -> None:
        if not self._rewrites:
            self._rewrites = True
            out[:] = map(_encoded, before)

    def _encode(self, event: ServerSentEvent) -> bytes:
        check_json(event.data)
        if event.event == "error" or (
            len(event.data) >= SHORTEST and may_describe_error(event.data)
        ):
            self._may_have_errors = True
        self._tokens += 1
        visible = self._watch(event)
        if visible is None or (visible is event and not self._rewrites):
            return b""
        return _encoded(visible)

    def _join(self, data: bytes, out: list[bytes]) -> bytes:
        if self._rewrites:
            events = b"".join(out)
        elif self._sse.tail == 0 and not self._splitter.held:
            events = data  # a chunk of whole events
        else:
            events = self._splitter.feed(data, self._sse.tail)
        if not events:
            return b""
        has_comment = self._sse.has_comments and has_comments(events)
        if self._may_have_errors or not out or has_comment:
            self._may_have_errors = False
            return redact_events(events)
        return events

    def _join_valid(self, events: Sequence[ServerSentEvent], out: list[bytes]) -> bytes:
        return redact_events(b"".join(out if self._rewrites else map(_encoded, events)))

    def _rest(self) -> bytes:
        events, repaired = self._last_events()
        self._rewrites = self._rewrites or repaired != events
        encoded = self._encode_all(repaired)
        if self._rewrites or encoded is None:
            return redact_events(encoded or b"")
        rest = redact_events(self._splitter.rest())
        if not rest.strip(b"\r\n"):
            return rest  # of the end of a line that came in two parts
        return rest.rstrip(b"\r\n") + b"\n\n"

    def _encode_failure(self, error: GatewayError) -> bytes:
        numbered, encoder = INumberedTap(self._tap, None), INumberingEncoder(self._encoder, None)
        if numbered is not None and encoder is not None and numbered.last_number is not None:
            encoder.continue_after(numbered.last_number)
        return self._encoder.encode(StreamFailure(error))


class _SseFramer:
    """Unnamed server-sent events."""

    frame = staticmethod(encode_data)

    @staticmethod
    def end() -> bytes:
        return b""


class ReframedStream(TappedStream):
    """Unchanged payloads in another framing: out of an envelope, or into a JSON array.

    ``error_body`` returns the JSON of an error, which is an event of its own in these streams.
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
        self._framer: Any = framer or _SseFramer()
        self._error_body = error_body

    def _write_deltas(self, data: bytes, payloads: Sequence[bytes]) -> bytes:
        return b"".join(map(self._framer.frame, payloads))

    def _encode_end(self) -> bytes:
        end: bytes = self._framer.end()
        return end

    def _encode_failure(self, error: GatewayError) -> bytes:
        body: bytes = self._framer.frame(self._error_body(error))
        return body + self._encode_end()

    def _encode(self, event: ServerSentEvent) -> bytes:
        assert self._unwrap is not None
        payload = self._unwrap(event.data)
        check_json(payload)
        visible = self._watch(ServerSentEvent(event.event, payload))
        if visible is None:
            return b""
        framed: bytes = self._framer.frame(redact_errors(visible.data, event.event))
        return framed


def _encoded(event: ServerSentEvent) -> bytes:
    """Return the bytes of an event, equivalent to those that it was read from."""
    data = event.data.replace(b"\n", b"\ndata: ")
    return encode_event(event.event.encode(), data) if event.event else encode_data(data)
