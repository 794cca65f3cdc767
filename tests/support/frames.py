"""Frames of a WebSocket client."""

from __future__ import annotations

from websockets.frames import Frame, Opcode


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    """Return a frame of a client; ``rsv1`` marks it as compressed."""
    wire = Frame(opcode, data, fin).serialize(mask=True)
    return bytes([wire[0] | 0x40]) + wire[1:] if rsv1 else wire
