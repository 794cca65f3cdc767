"""One request of a connection, from its start to its last event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.errors import GatewayError
from antigravity.ir.socket_turn import Steering
from antigravity.protocols.openai_responses import conversation
from antigravity.protocols.openai_responses.socket.client_message import Create
from antigravity.protocols.openai_responses.socket.history import Prepared
from antigravity.protocols.openai_responses.socket.server_message import (
    encode_stream_error,
    with_previous_id,
)
from antigravity.sse import SseDecoder

#: Input for one response of which the upstream has not reported what became of it.
MAX_STEERS: Final = 16
#: Bytes of output items that are remembered; a longer response cannot be continued.
MAX_OUTPUT: Final = 64 * 1024 * 1024
#: Events that end a response well, so that it can be continued.
_GOOD_ENDS: Final = ("response.completed", "response.incomplete")
#: Events that hold the whole response.
_WITH_RESPONSE: Final = ("response.created", "response.in_progress", "response.failed", *_GOOD_ENDS)
#: What became of input that no response continues with.
_STEER_ENDS: Final = ("response.steer.failed", "response.steer.pending")
_ITEM_DONE: Final = "response.output_item.done"


class _Head(Struct):
    type: Any = None
    sequence_number: Any = None


class _Identity(Struct):
    id: str


class FinalResponse(Struct, frozen=True):
    """What is read of a response that can be continued."""

    id: str
    output: list[Raw] = []


class _End(Struct):
    response: FinalResponse


class _Created(Struct):
    response: _Identity


class _Item(Struct):
    item: Raw


_HEAD: Final = msgspec.json.Decoder(_Head).decode


class RunningRequest:
    """A request that is running, and what its events have shown so far.

    :ivar create: what the client has sent.
    :ivar prepared: what is served.
    :ivar instead: the body to try if whoever stores the response before it does not find that.
    :ivar is_over: whether the last event was seen; later ones are dropped.
    :ivar is_silent: whether there was no event since this was set.
    :ivar sequence_number: of the last event.
    :ivar final: the response, if it ended so that it can be continued.
    :ivar response_id: the id of the response that is running, once it is known.
    :ivar steering: takes input for it.
    :ivar unsettled: input of which the upstream has not reported what became of it.
    """

    def __init__(self, create: Create, prepared: Prepared) -> None:
        self.create = create
        self.prepared = prepared
        self.instead = prepared.instead
        self.is_over = self.is_silent = False
        self.sequence_number = 0
        self.final: FinalResponse | None = None
        self.response_id: str | None = None
        self.steering = Steering()
        self.unsettled: list[Raw] = []
        self._has_ended = False
        self._before: list[Raw] = []  # what steered responses left, each with its input
        self._after: list[Raw] = []  # input that the next request continues with
        self._events = SseDecoder()
        self._items: list[Raw] = []
        self._output_bytes = self._steered_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the events that a piece of the stream completes, as JSON objects.

        :raises EventTooLargeError: if one of them is too large.
        """
        for event in self._events.feed(data):
            message = event.data.strip()
            if self.is_over or not (message.startswith(b"{") and message.endswith(b"}")):
                continue  # such as [DONE]
            yield self._read(message)

    def _read(self, message: bytes) -> bytes:
        """Return an event for the client, and note what it shows."""
        try:
            head = _HEAD(message)
        except (msgspec.DecodeError, RecursionError):
            return message
        self.is_silent = False
        if isinstance(head.sequence_number, int):
            self.sequence_number = head.sequence_number
        kind = head.type
        if kind == "response.created":
            self._begin(message)
        elif kind in _STEER_ENDS:
            self._settle(kept=kind == "response.steer.pending")
        elif kind == _ITEM_DONE:
            self._note_item(message)
        elif kind in _GOOD_ENDS:
            self.final = self._final(message)
            self._end()
        elif kind == "response.failed":
            self._end()
        elif kind == "error":
            self.is_over = True
            return encode_stream_error(message)
        if kind in _WITH_RESPONSE and self.create.previous_id is not None:
            return with_previous_id(message, self.create.previous_id)
        return message

    # -- steering -----------------------------------------------------------------------

    @property
    def can_be_steered(self) -> bool:
        """Whether the upstream takes input for the response."""
        return self.steering.send is not None and not self.is_over

    @property
    def output(self) -> list[Raw]:
        """The items of the client and the model since the request."""
        assert self.final is not None
        return [*self._before, *self.final.output, *self._after]

    def steer(self, given: Raw, max_bytes: int) -> bool:
        """Note input that is sent to the upstream; return false if there is too much of it.

        :param max_bytes: for all input of the request; 0 is no limit.
        """
        size = self._steered_bytes + len(bytes(given))
        if len(self.unsettled) >= MAX_STEERS or (max_bytes and size > max_bytes):
            return False
        self._steered_bytes = size
        self.unsettled.append(given)
        return True

    def _begin(self, message: bytes) -> None:
        """Begin a response; a second one continues the first with all input."""
        with suppress(msgspec.DecodeError, RecursionError):
            self.response_id = msgspec.json.decode(message, type=_Created).response.id
        if self._has_ended:
            output = [] if self.final is None else self.final.output
            self._before += [*output, *self._after, *_items(self.unsettled)]
            self._after, self._items, self.unsettled = [], [], []
            self.final, self._has_ended = None, False

    def _note_item(self, message: bytes) -> None:
        """Note an output item, in case that the last event leaves it out."""
        self._output_bytes += len(message)
        if self._output_bytes > MAX_OUTPUT:
            self._items, self._before = [], []
            return
        with suppress(msgspec.ValidationError):
            self._items.append(msgspec.json.decode(message, type=_Item).item)

    def _settle(self, *, kept: bool) -> None:
        """Note what became of the oldest input."""
        if self.unsettled:
            given = self.unsettled.pop(0)
            if kept:
                self._after += _items([given])
        self.is_over = self._has_ended and not self.unsettled

    def _end(self) -> None:
        self._has_ended = True
        self.is_over = not self.unsettled

    def give_up(self) -> Sequence[Raw]:
        """Return the input that the upstream has not used: the stream is over."""
        unsettled, self.unsettled = self.unsettled, []
        self.is_over = self.is_over or self._has_ended
        return unsettled

    # -- the end ------------------------------------------------------------------------

    def _final(self, message: bytes) -> FinalResponse | None:
        """Return the response of the last event; some servers leave its output out there.

        It is ``None`` if the response cannot be continued: its output is too large, or malformed.
        """
        if self._output_bytes > MAX_OUTPUT:
            return None
        try:
            final = msgspec.json.decode(message, type=_End).response
        except (msgspec.DecodeError, RecursionError):
            return None
        return final if final.output else FinalResponse(final.id, self._items)

    def end_whole(self, body: bytes) -> Sequence[bytes]:
        """Return the events for a reply that is a whole response.

        :raises GatewayError: if it is not a response.
        """
        try:
            self.final = msgspec.json.decode(body, type=FinalResponse)
        except (msgspec.DecodeError, RecursionError):
            raise GatewayError("The reply is not a response.") from None
        self.is_over = True
        return [
            b'{"type":"response.%b","sequence_number":%d,"response":%b}' % (kind, number, body)
            for number, kind in enumerate((b"created", b"in_progress", b"completed"))
        ]


def _items(given: Sequence[Raw]) -> list[Raw]:
    """Return the items of input that was sent while a response was running."""
    return [item for each in given for item in conversation.input_items(each)]
