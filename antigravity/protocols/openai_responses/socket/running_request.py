"""One request of a connection, from its start to its last event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.errors import GatewayError
from antigravity.protocols.openai_responses.socket.client_message import Create
from antigravity.protocols.openai_responses.socket.history import Prepared
from antigravity.protocols.openai_responses.socket.server_message import (
    encode_stream_error,
    with_previous_id,
)
from antigravity.sse import SseDecoder

#: Events that end a response well, so that it can be continued.
_GOOD_ENDS: Final = ("response.completed", "response.incomplete")
#: Events that hold the whole response.
_WITH_RESPONSE: Final = ("response.created", "response.in_progress", "response.failed", *_GOOD_ENDS)
_ITEM_DONE: Final = "response.output_item.done"


class _Head(Struct):
    type: Any = None
    sequence_number: Any = None


class FinalResponse(Struct, frozen=True):
    """What is read of a response that can be continued."""

    id: str
    output: list[Raw] = []


class _End(Struct):
    response: FinalResponse


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
    """

    def __init__(self, create: Create, prepared: Prepared) -> None:
        self.create = create
        self.prepared = prepared
        self.instead = prepared.instead
        self.is_over = self.is_silent = False
        self.sequence_number = 0
        self.final: FinalResponse | None = None
        self._events = SseDecoder()
        self._items: list[Raw] = []

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
        if kind == _ITEM_DONE:
            with suppress(msgspec.ValidationError):
                self._items.append(msgspec.json.decode(message, type=_Item).item)
        elif kind in _GOOD_ENDS:
            self.is_over = True
            self.final = self._final(message)
        elif kind == "response.failed":
            self.is_over = True
        elif kind == "error":
            self.is_over = True
            return encode_stream_error(message)
        if kind in _WITH_RESPONSE and self.create.previous_id is not None:
            return with_previous_id(message, self.create.previous_id)
        return message

    def _final(self, message: bytes) -> FinalResponse | None:
        """Return the response of the last event; some servers leave its output out there."""
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
