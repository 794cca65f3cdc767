"""The base of encoders whose stream ends with the whole response, for protocols that store it.

A whole response is what the stream of the same events ends with, so both always agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from antigravity.ir.call import HttpReply
from antigravity.ir.events import UsageUpdate
from antigravity.ir.response import Response, unfold
from antigravity.protocols.event_sequencer import OrderedEvent
from antigravity.protocols.stream_encoder import StreamEncoder

#: What writes each type of event; the first argument is the encoder.
Writers = Mapping[type, Callable[[Any, Any], None]]


class PieceWriter:
    """Collects the bytes of a stream; a ``quiet`` writer drops them."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._pieces: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Write bytes as they are."""
        if not self.quiet:
            self._pieces.append(data)

    def flush(self) -> bytes:
        """Return what was written since the last flush."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class ResponseEncoder(StreamEncoder):
    """Encoder of one response.

    With a quiet writer it writes no events; it is used for its ``final_response``.

    :ivar final_response: the JSON of the whole response; ``None`` before the end and after a
        failure.
    """

    def __init__(self, writer: PieceWriter, writers: Writers) -> None:
        super().__init__()
        self.final_response: bytes | None = None
        self._flush = writer.flush
        self._writers = writers

    def write(self, event: OrderedEvent) -> bytes:
        """Return the events of the part of the response that ``event`` belongs to."""
        write = self._writers.get(type(event))
        if write is not None:
            write(self, event)
        return self._flush()

    def whole_reply(self, response: Response) -> HttpReply:
        """Return a whole response: what a stream of the same events ends with."""
        self.encode(UsageUpdate(response.usage))
        for event in unfold(response.choices[0]):
            self.encode(event)
        self.end()
        return HttpReply(200, self.final_response or b"")
