"""Sound that models make: it holds what they were asked, one sample for each byte; pure."""

from __future__ import annotations

import struct
from typing import Final

from antigravity.simulator.validation.refusal import words
from antigravity.simulator.view import View, compact

RATE: Final = 24_000
#: Bytes of sound that count as one token: a 25th of a second.
TOKEN: Final = RATE * 2 // 25
#: Nobody listens to it, so it may be faint.
_LOUDNESS: Final = 64
VOICES: Final = words(
    """Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus Umbriel
    Algieba Despina Erinome Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar Gacrux
    Pulcherrima Achird Zubenelgenubi Vindemiatrix Sadachbia Sadaltager Sulafat"""
)


def speaks(model: str) -> bool:
    """Return whether a model of Google's speaks, as its name says."""
    return "tts" in model.split("-")


def sound(view: View, tokens: int | None, chunks: int | None) -> tuple[bytes, ...]:
    """Return sound in pieces; ``tokens`` says how long it is, if it is longer than the note."""
    note = {"text": view.prompt, "voice": view.voice, "manner": view.manner}
    data = b"".join(struct.pack("<h", byte * _LOUDNESS) for byte in compact(note).encode())
    data = data.ljust((tokens or 0) * TOKEN, b"\0")
    count = chunks or 4
    step = -(-len(data) // count)
    return tuple(data[at : at + step] for at in range(0, len(data), step))


def wav(data: bytes) -> bytes:
    """Return a WAV file of samples."""
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body
