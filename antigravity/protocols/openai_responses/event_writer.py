"""Numbers and encodes the events of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from antigravity.protocols.response_encoder import PieceWriter
from antigravity.sse import encode_event


class EventWriter(PieceWriter):
    """Writer of numbered events; a ``quiet`` writer only counts them."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._sequence = 0

    def continue_after(self, number: int) -> None:
        """Let the next event have the number behind ``number``."""
        self._sequence = number + 1

    def emit(self, kind: str, **fields: Any) -> None:
        """Write one event."""
        number = self._sequence
        self._sequence += 1
        if not self.quiet:
            data = {"type": kind, "sequence_number": number, **fields}
            self._pieces.append(encode_event(kind.encode(), msgspec.json.encode(data)))

    def deltas(self, kind: str, **fields: Any) -> Callable[[str], None]:
        """Return a function that writes events which differ only in ``delta``."""
        fixed = msgspec.json.encode({"type": kind, **fields})[:-1]

        def write(delta: str) -> None:
            number = self._sequence
            self._sequence += 1
            if not self.quiet:
                data = b'%b,"sequence_number":%d,"delta":%b}' % (
                    fixed,
                    number,
                    msgspec.json.encode(delta),
                )
                self._pieces.append(encode_event(name, data))

        name = kind.encode()
        return write
