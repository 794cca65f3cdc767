"""Audio that encodes the request, one sample for each byte; pure."""

from __future__ import annotations

import struct
from typing import Final

from antigravity.simulator.view import View, compact, name_set

SAMPLE_RATE: Final = 24_000
#: Bytes of audio that count as one token: a 25th of a second.
BYTES_PER_TOKEN: Final = SAMPLE_RATE * 2 // 25
#: Factor from a byte to a sample.
_VOLUME: Final = 64
VOICES: Final = name_set(
    """Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus Umbriel
    Algieba Despina Erinome Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar Gacrux
    Pulcherrima Achird Zubenelgenubi Vindemiatrix Sadachbia Sadaltager Sulafat"""
)


def is_speech_model(model: str) -> bool:
    """Return whether a Google model generates speech, by its name."""
    return "tts" in model.split("-")


def synthesize(view: View, tokens: int | None, chunks: int | None) -> tuple[bytes, ...]:
    """Return audio in chunks, padded with silence to the length of ``tokens``."""
    note = {"text": view.prompt, "voice": view.voice, "manner": view.speech_style}
    data = b"".join(struct.pack("<h", byte * _VOLUME) for byte in compact(note).encode())
    data = data.ljust((tokens or 0) * BYTES_PER_TOKEN, b"\0")
    count = chunks or 4
    step = -(-len(data) // count)
    return tuple(data[at : at + step] for at in range(0, len(data), step))


def encode_wav(data: bytes) -> bytes:
    """Return a WAV file of samples."""
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLE_RATE, SAMPLE_RATE * 2, 2, 16)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body
