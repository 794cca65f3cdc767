"""Encodes the events of a stream."""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity.protocols.response_encoder import PieceWriter
from antigravity.sse import encode_event


class EventWriter(PieceWriter):
    """Writer of events; a ``quiet`` writer drops them."""

    def emit(self, kind: str, **fields: Any) -> None:
        """Write one event."""
        if not self.quiet:
            data = msgspec.json.encode({**fields, "event_type": kind})
            self.add(encode_event(kind.encode(), data))

    def delta(self, index: int, delta: dict[str, Any]) -> None:
        """Write more of the step at ``index``."""
        self.emit("step.delta", index=index, delta=delta)
