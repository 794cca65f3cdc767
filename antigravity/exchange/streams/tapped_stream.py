"""The base of streams that a tap watches while they pass.  Sans-IO."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from antigravity.exchange.streams.bounds import ITEM_LIMIT, has_too_many_items, too_many_items
from antigravity.exchange.streams.event_source import EndPolicy, Unwrap
from antigravity.exchange.streams.lone_surrogates import SurrogateJoiner, is_sound_text
from antigravity.interfaces.protocols import (
    IClosingTap,
    IDeltaTap,
    IRepairingTap,
    ITap,
)
from antigravity.ir.errors import (
    FaultyEndError,
    GatewayError,
    UpstreamError,
    incomplete_response_error,
)
from antigravity.ir.usage import Usage
from antigravity.redaction.errors import (
    has_error_hint,
)
from antigravity.sse import (
    EventTooLargeError,
    ServerSentEvent,
    SseDecoder,
)

#: The first bytes of JSON values.
_JSON_STARTS: Final = b'{["-0123456789tfn'

_CR: Final = ord("\r")
#: Bytes of a chunk with so many events that it is divided.
_LARGE: Final = 1024
#: Events at the end of a stream that are no deltas, at most, in most streams.
_LAST_EVENTS: Final = 4
#: The first bytes of an event, in which deltas are alike.
_LIKE: Final = 24

#: Names of events that only keep a connection open, without dashes.
_KEEPALIVES: Final = frozenset({"ping", "heartbeat", "keepalive"})


def check_json(data: bytes) -> None:
    """Check that an event's data can be whole JSON, by its first and last byte only.

    To parse all of it would cost more than everything else that is done with it.

    :raises msgspec.DecodeError: if it cannot.
    """
    begin, end = data[:1], data[-1:]
    if end.isspace():
        end = data.rstrip()[-1:]
    if not begin or begin not in _JSON_STARTS or (begin == b"{") is not (end == b"}"):
        raise msgspec.DecodeError("an event is not JSON")


class TappedStream(ABC):
    """A stream whose events a tap watches; subclasses write them.

    Events are repaired where clients could not read them.
    """

    def __init__(self, tap: ITap, keepalive: bytes, ends: EndPolicy | None = None) -> None:
        self._tap = tap
        repairing = IRepairingTap(tap, None)
        self._repair: Callable[[ServerSentEvent], ServerSentEvent] | None = (
            None if repairing is None else repairing.repair
        )
        deltas = IDeltaTap(tap, None)
        self._watch_deltas: Callable[[str, Sequence[bytes], bytes], bool] | None = (
            None if deltas is None else deltas.watch_deltas
        )
        #: Returns what the client sees of an event that the tap has seen; ``None``: all of it.
        self.visible: Callable[[ServerSentEvent], ServerSentEvent | None] | None = None
        self._has_hidden = False  # the client does not see the last event as it is
        self._unwrap: Unwrap | None = None
        self._ends = ends or EndPolicy()
        self._surrogates = SurrogateJoiner()
        self._keepalive = keepalive
        self._sse = SseDecoder()
        self._error_seen = False
        self.failure: GatewayError | None = None
        self.over = False

    @property
    def meaningful(self) -> bool:
        """Whether content was seen, or an end that is accepted without content."""
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

    def estimate_output(self) -> int:
        """Return 0: upstreams of these streams report usage with each event."""
        return 0

    def keepalive(self) -> bytes:
        """Return bytes that may stand between two events."""
        return self._keepalive

    def feed(self, data: bytes) -> bytes:
        """Return the client's bytes for a chunk of the upstream's body."""
        if len(data) < _LARGE or self._watch_deltas is None:
            return self._feed(data)
        blank = b"\r\n\r\n" if _CR in data else b"\n\n"
        out: list[bytes] = []
        place = 0
        # The first content of a stream, and an event that has begun before this chunk.
        while place < len(data) and not (self._tap.meaningful and self._sse.is_between_events):
            end = next_event(data, blank, place)
            out.append(self._feed(data[place:end]))
            place = end
        end = _end_of_deltas(data, blank, place)
        self._feed_parts(data[place:end], blank, out)
        while end < len(data):
            place, end = end, next_event(data, blank, end)
            out.append(self._feed(data[place:end]))
        return b"".join(out)

    def _feed_parts(self, data: bytes, blank: bytes, out: list[bytes]) -> None:
        """Append the client's bytes for a part of a chunk, divided until its deltas are alone."""
        if self.over or not data:
            return
        payloads = self._deltas(data)
        if payloads is not None:
            out.append(self._write_deltas(data, payloads))
            return
        middle = next_event(data, blank, len(data) // 2)
        if len(data) < _LARGE or middle == len(data):
            out.append(self._feed(data, have_deltas=False))
            return
        self._feed_parts(data[:middle], blank, out)
        self._feed_parts(data[middle:], blank, out)

    def _feed(self, data: bytes, *, have_deltas: bool = True) -> bytes:
        """Return the client's bytes for a chunk, or a part of one."""
        if self.over:
            return b""
        payloads = self._deltas(data) if have_deltas else None
        if payloads is not None:
            return self._write_deltas(data, payloads)
        self._look_again()
        try:
            events = self._sse.feed(data)
        except EventTooLargeError as error:
            return self._fail(_malformed(error))
        out: list[bytes] = []
        for place in range(len(events)):
            failure = self._add(events, place, out)
            if failure is not None:
                return self._join_valid(events[:place], out) + self._fail(failure)
        if self._tap.failure is not None and not self.meaningful:
            self.over = True  # nothing was sent, so the attempt has failed
            self.failure = self._tap.failure
        return self._join(data, out)

    def _deltas(self, data: bytes) -> Sequence[bytes] | None:
        """Return the data of a chunk's events if all of them only add content.

        The tap has then seen them.  This does at once what :meth:`_add` does for each event; for
        most chunks of a stream a few searches are enough.
        """
        if self._watch_deltas is None or self._surrogates.half is not None:
            return None
        if self._tap.failure is not None or not self._may_have_deltas():
            return None
        events = self._sse.uniform(data)
        if events is None or len(data) > ITEM_LIMIT:
            return None
        if has_error_hint(data) or not is_sound_text(data):
            return None
        name, payloads = events
        if self._unwrap is not None:
            payloads = list(map(self._unwrap, payloads))
        for each in payloads:
            if not (each.startswith(b"{") and each.endswith(b"}")):
                return None
        return payloads if self._watch_deltas(name, payloads, data) else None

    def _may_have_deltas(self) -> bool:
        """Return whether events that only add content can be written at once."""
        return True

    def _look_again(self) -> None:  # noqa: B027 - only some streams have anything to forget
        """Forget what earlier deltas had in common: other events follow."""

    @abstractmethod
    def _write_deltas(self, data: bytes, payloads: Sequence[bytes]) -> bytes:
        """Return the client's bytes for a chunk of whole events, whose data are ``payloads``."""

    def _add(
        self, events: Sequence[ServerSentEvent], place: int, out: list[bytes]
    ) -> GatewayError | None:
        """Append what the event at ``place`` of a chunk's ``events`` becomes to ``out``.

        Return the error that ends the stream before this event, if any.
        """
        event = events[place]
        data, size = event.data, len(out)
        if len(data) > ITEM_LIMIT and has_too_many_items(data):
            return too_many_items()
        try:
            may_need_repair = (
                self._surrogates.half is not None or not data.isascii() or b"\\u" in data
            )
            if may_need_repair and self._surrogates.needs_repair(data):
                self._add_joined(event, events[:place], out)
            else:
                repaired = event if self._repair is None else self._repair(event)
                if repaired is not event:
                    self._start_rewrite(events[:place], out)
                self._add_visible(repaired, events[:place], out)
        except msgspec.DecodeError as error:
            if not self._can_drop(event):
                return _malformed(error)
            del out[size:]
            self._start_rewrite(events[:place], out)
            return None
        failure: GatewayError | None = self._tap.failure
        if failure is None or self._error_seen:
            return None
        self._error_seen = True
        if _is_error_event(event):
            return None
        del out[size:]
        return failure

    def _add_joined(
        self, event: ServerSentEvent, before: Sequence[ServerSentEvent], out: list[bytes]
    ) -> None:
        """Append an event that holds surrogates, or that others wait for."""
        ready = self._surrogates.feed(event)
        if self._repair is not None:
            ready = [self._repair(each) for each in ready]
        if len(ready) != 1 or ready[0] is not event:
            self._start_rewrite(before, out)
        for each in ready:
            self._add_visible(each, before, out)

    def _add_visible(
        self, event: ServerSentEvent, before: Sequence[ServerSentEvent], out: list[bytes]
    ) -> None:
        """Append what the client sees of an event; ``before`` are those before it in the chunk.

        :raises msgspec.DecodeError: if it is malformed.
        """
        encoded = self._encode(event)
        if self._has_hidden:
            self._has_hidden = False
            self._start_rewrite(before, out)
        out.append(encoded)

    def _watch(self, event: ServerSentEvent) -> ServerSentEvent | None:
        """Show an event to the tap, and return what the client sees of it."""
        self._tap.watch(event)
        if self.visible is None:
            return event
        visible = self.visible(event)
        self._has_hidden = visible is not event
        return visible

    def _start_rewrite(self, before: Sequence[ServerSentEvent], out: list[bytes]) -> None:
        """Encode all further events, as one of them is changed.

        ``before`` are the events before it in the same chunk, ``out`` is what they became.
        """
        return

    def _can_drop(self, event: ServerSentEvent) -> bool:
        """Return whether an event that is no JSON has no meaning.

        Parsers of clients fail at such events.  After the end, servers write marks of their own.
        """
        if not event.data.strip() or self._tap.finished:
            return True
        return event.event.lower().replace("_", "").replace("-", "") in _KEEPALIVES

    def _fail(self, error: GatewayError) -> bytes:
        self.over = True
        self.failure = error
        return self._encode_failure(error)

    def end(self, error: GatewayError | None) -> bytes:
        """Return the end of the stream, with an error event if it is not complete."""
        if self.over:
            return b""
        self.over = True
        self._look_again()
        rest = b"" if error is not None else self._rest()
        closing = self._closing_events() if error is None else b""
        if self._tap.finished or self._tap.failure is not None:
            self.failure = self._tap.failure
            return rest + closing + self._encode_end()
        error = error or incomplete_response_error()
        return rest + self._fail(error)

    def _closing_events(self) -> bytes:
        """Return the last events of a stream that is complete without them."""
        closing = IClosingTap(self._tap, None)
        if self._tap.failure is not None or closing is None:
            return b""
        return closing.close() or b""

    def _last_events(self) -> tuple[list[ServerSentEvent], list[ServerSentEvent]]:
        """Return the events that the end of the body completes, unchanged and repaired."""
        events = self._sse.close()
        repaired = [each for event in events for each in self._surrogates.feed(event)]
        return events, [*repaired, *self._surrogates.close()]

    def _rest(self) -> bytes:
        """Return the client's bytes for the events that the end of the body completes."""
        return self._encode_all(self._last_events()[1]) or b""

    def _encode_all(self, events: Sequence[ServerSentEvent]) -> bytes | None:
        """Return the client's bytes for the last events, ``None`` if one of them is truncated."""
        out: list[bytes] = []
        try:
            for place, event in enumerate(events):
                self._add_visible(event, events[:place], out)
        except msgspec.DecodeError:
            return None
        return b"".join(out)

    @abstractmethod
    def _encode(self, event: ServerSentEvent) -> bytes:
        """Return an event in the client's framing, once the tap has seen it; see :meth:`_watch`.

        :raises msgspec.DecodeError: if it is malformed.
        """

    def _join(self, data: bytes, out: list[bytes]) -> bytes:
        """Return the client's bytes for the chunk ``data``, whose events became ``out``."""
        return b"".join(out)

    def _join_valid(self, events: Sequence[ServerSentEvent], out: list[bytes]) -> bytes:
        """Return the client's bytes for a chunk of which only the first ``events`` are valid."""
        return b"".join(out)

    @abstractmethod
    def _encode_failure(self, error: GatewayError) -> bytes:
        """Return the end of a stream that failed."""

    def _encode_end(self) -> bytes:
        """Return the end of a stream that is complete."""
        return b""


def next_event(data: bytes, blank: bytes, place: int) -> int:
    """Return the place after the next blank line, or the end."""
    found = data.find(blank, place)
    return len(data) if found < 0 else found + len(blank)


def _end_of_deltas(data: bytes, blank: bytes, begin: int) -> int:
    """Return the place before the last events, if the last one is not like that before it."""
    whole = data.rfind(blank, begin) + len(blank)
    if whole < len(blank):
        return begin
    starts = [whole]
    for _ in range(_LAST_EVENTS):
        found = data.rfind(blank, begin, starts[-1] - len(blank))
        if found < 0:
            break
        starts.append(found + len(blank))
    if len(starts) < 3:
        return whole
    last, before = starts[1], starts[2]
    is_like = data[last : last + _LIKE] == data[before : before + _LIKE]
    return whole if is_like else starts[-1]


def _malformed(error: Exception) -> UpstreamError:
    return UpstreamError(f"The upstream sent a malformed response: {error}.")


def _is_error_event(event: ServerSentEvent) -> bool:
    """Return whether clients see an error, or a reason for an end, in the unchanged event."""
    data = event.data
    if b'"finishReason"' in data or event.event.startswith("response."):
        return True
    if b'"error"' not in data or b'"message"' not in data or b'"error":"' in data:
        return False
    return b'"type"' in data or b'"status"' in data or b'"event_type"' in data
