"""Receives the body of one request, and says where it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from antigravity.web.connection.chunked_body import ChunkedBody

#: Bytes per second below which a body is stuck.
_SLOWEST: Final = 1024
#: Bytes of a chunked body that are read at a time: tiny chunks cost a thousand times as much.
_CHUNKED_READ: Final = 8 * 1024


class BodyReceiver:
    """Receives a body of ``length`` bytes, or a chunked one (``None``).

    :param transport: reads less at a time while a chunked body is received.
    :param receive: called with each piece of the body.
    """

    __slots__ = ("_chunks", "_progress", "_read_size", "_receive", "_remaining", "_transport")

    def __init__(
        self, transport: Any, receive: Callable[[bytes], None], length: int | None
    ) -> None:
        self._transport = transport
        self._receive = receive
        self._progress = 0  # bytes since it was last checked
        self._remaining = length or 0
        self._chunks: ChunkedBody | None = None
        if length is None:
            self._chunks = ChunkedBody(receive)
            self._read_size = getattr(transport, "bufferSize", _CHUNKED_READ)
            transport.bufferSize = _CHUNKED_READ

    def feed(self, data: bytes) -> bytes | None:
        """Receive bytes; return those behind the body once it is complete.

        :raises GatewayError: if the body is malformed or too large.
        """
        self._progress += len(data)
        if self._chunks is not None:
            self._chunks.feed(data)
            rest = self._chunks.rest
            if rest is not None:
                self._transport.bufferSize = self._read_size
            return rest
        if len(data) < self._remaining:
            self._remaining -= len(data)
            self._receive(data)
            return None
        rest = data[self._remaining :]
        self._receive(data[: self._remaining] if rest else data)
        return rest

    def has_progressed(self, seconds: float) -> bool:
        """Return whether enough was received in the ``seconds`` since the last check."""
        progress, self._progress = self._progress, 0
        return progress >= _SLOWEST * seconds
