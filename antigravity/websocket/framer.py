"""Frames, sans-IO: bytes to whole messages, and messages to bytes (RFC 6455)."""

from __future__ import annotations

import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct
from wsproto.connection import CLIENT, SERVER, Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from antigravity.websocket.deflate import Deflate, MessageBounds

#: The most bytes of a reason of closing.
_REASON_BYTES: Final = 123
#: The most bytes of a frame of a message in pieces; to make one takes a millisecond.
_PIECE: Final = 128 * 1024
#: The most compressed bytes that are read at a time: they become 2 MiB at most.
_PACKED: Final = 2048


class Text(Struct, frozen=True):
    """A whole message, which is UTF-8."""

    data: bytes


class Binary(Struct, frozen=True):
    """A whole message that is not text; its content is dropped."""


class Part(Struct, frozen=True):
    """A piece of a message that is not complete."""


class PingReceived(Struct, frozen=True):
    """The other side expects a pong with this payload."""

    payload: bytes


class PongReceived(Struct, frozen=True):
    """The other side is there."""


class CloseReceived(Struct, frozen=True):
    """The other side closes the connection, or broke the rules; nothing more can be read.

    ``code`` is what it sent, or the code to close with.
    """

    code: int
    is_fault: bool
    reason: str = ""


Received = Text | Binary | Part | PingReceived | PongReceived | CloseReceived


class Framer:
    """One connection after the handshake.

    :param limit: the most bytes of a received message; 0 is no limit.
    :param is_client: whether the other side is the server.
    """

    def __init__(
        self,
        limit: int,
        deflate: Deflate | None = None,
        compress_from: int = 0,
        *,
        is_client: bool = False,
    ) -> None:
        self._bounds = MessageBounds(limit, deflate, compress_from, is_client=is_client)
        self._connection = Connection(CLIENT if is_client else SERVER, [self._bounds])
        #: The beginning of a message; as pieces of its own it could take far more memory.
        self._message = bytearray()
        self._is_over = False
        self._piece = sys.maxsize if deflate is None else _PACKED

    def receive(self, data: bytes) -> Iterator[Received]:
        """Yield what is in ``data``; to get the next one takes a few milliseconds at most."""
        for begin in range(0, len(data), self._piece):
            if self._is_over:
                return
            yield from self._receive(data[begin : begin + self._piece])

    def _receive(self, data: bytes) -> Iterator[Received]:
        connection = self._connection
        connection.receive_data(data)
        for event in connection.events():
            if isinstance(event, TextMessage):
                data = event.data.encode()
                if self._message or not event.message_finished:
                    self._message += data
                if event.message_finished:
                    message, self._message = self._message, bytearray()
                    yield Text(bytes(message) or data)
                else:
                    yield Part()
            elif isinstance(event, BytesMessage):
                yield Binary() if event.message_finished else Part()
            elif isinstance(event, Ping):
                yield PingReceived(bytes(event.payload))
            elif isinstance(event, Pong):
                yield PongReceived()
            elif isinstance(event, CloseConnection):
                self._is_over = True
                self._message.clear()
                fault = connection.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING)
                yield CloseReceived(event.code, fault, event.reason or "")
                return

    @property
    def is_receiving(self) -> bool:
        """Whether a message has begun that is not complete."""
        return self._bounds.is_receiving

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._connection.state is ConnectionState.OPEN

    def text(self, data: bytes) -> bytes:
        """Return the frame of a message."""
        return bytes(self._connection.send(TextMessage(data=data.decode("utf-8", "replace"))))

    def pieces(self, message: Iterable[bytes | memoryview]) -> Iterator[bytes]:
        """Yield the frames of one message; other messages must not be sent between them.

        :param message: its parts, which are cut into frames of at most 128 KiB.
        """
        decoder = getincrementaldecoder("utf-8")("replace")
        for part in message:
            view = memoryview(part)
            for begin in range(0, len(view), _PIECE):
                text = decoder.decode(view[begin : begin + _PIECE])
                yield bytes(self._connection.send(TextMessage(data=text, message_finished=False)))
        end = decoder.decode(b"", final=True)
        yield bytes(self._connection.send(TextMessage(data=end)))

    def ping(self) -> bytes:
        """Return a frame that asks whether the other side is there."""
        return bytes(self._connection.send(Ping()))

    def pong(self, payload: bytes) -> bytes:
        """Return the frame that answers a ping."""
        return bytes(self._connection.send(Pong(payload=payload)))

    def close(self, code: int, reason: str = "") -> bytes:
        """Return the frame that closes the connection, or answers that of the other side."""
        text = None if code == CloseReason.NO_STATUS_RCVD else reason[:_REASON_BYTES] or None
        return bytes(self._connection.send(CloseConnection(code=code, reason=text)))

    @property
    def can_close(self) -> bool:
        """Whether no frame that closes was sent."""
        return self._connection.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING)
