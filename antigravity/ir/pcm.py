"""Audio of models: bare samples, or a WAV file."""

from __future__ import annotations

import re
import struct
from typing import Final

from msgspec import Struct

#: The sample rate of OpenAI's bare samples, which have 16 bits and one channel.
RATE: Final = 24_000
_PARAMETER: Final = re.compile(r"\b(rate|channels)\s*=\s*\"?(\d{1,6})")
_BARE: Final = ("audio/l16", "audio/pcm", "audio/x-pcm")
_WAV: Final = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
_UNKNOWN_SIZE: Final = 0xFFFFFFFF


class Samples(Struct, frozen=True):
    """16-bit samples, the low byte first."""

    data: bytes
    rate: int = RATE
    channels: int = 1


def samples_of(mime_type: str, data: bytes) -> Samples | None:
    """Return the samples in a piece of audio; ``None`` if it does not have 16-bit samples."""
    kind = mime_type.partition(";")[0].strip().lower()
    if kind in _BARE:
        parameters = {name: int(value) for name, value in _PARAMETER.findall(mime_type)}
        return Samples(data, parameters.get("rate") or RATE, parameters.get("channels") or 1)
    if kind in _WAV:
        return _unwrapped(data)
    return None


def _unwrapped(data: bytes) -> Samples | None:
    """Return the samples in a WAV file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    place, rate, channels = 12, 0, 0
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"fmt " and place + 16 <= len(data):
            form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, place)
            if form not in (1, 0xFFFE) or bits != 16:
                return None
        elif name == b"data" and rate:
            return Samples(data[place : place + size], rate, channels)
        place += size + size % 2
    return None


def wav_head(rate: int, channels: int, size: int | None = None) -> bytes:
    """Return the header of a WAV file with ``size`` bytes of samples, ``None`` if not known."""
    frame = 2 * channels
    length = _UNKNOWN_SIZE if size is None else size
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        _UNKNOWN_SIZE if size is None else size + 36,
        b"WAVE",
        b"fmt ",
        16,
        1,
        channels,
        rate,
        rate * frame,
        frame,
        16,
        b"data",
        length,
    )
