"""Encodes the events of a stream."""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity.sse import encode_event


class EventWriter:
    """Writer of events; a ``quiet`` writer drops them."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._pieces: list[bytes] = []

    def emit(self, kind: str, **fields: Any) -> None:
        """Write one event."""
        if not self.quiet:
            data = msgspec.json.encode({**fields, "event_type": kind})
            self._pieces.append(encode_event(kind.encode(), data))

    def delta(self, index: int, delta: dict[str, Any]) -> None:
        """Write more of the step at ``index``."""
        self.emit("step.delta", index=index, delta=delta)

    def add(self, data: bytes) -> None:
        """Write bytes as they are."""
        if not self.quiet:
            self._pieces.append(data)

    def flush(self) -> bytes:
        """Return what was written since the last flush."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
