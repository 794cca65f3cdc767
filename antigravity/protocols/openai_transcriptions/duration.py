"""The duration of a recording, by its headers; for MP3 with a constant bit rate, by its size.

Nothing is decoded.  A duration that is unknown without decoding, or implausible, is ``None``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Final

#: A header with a longer duration is broken.
_LONGEST: Final = 30 * 86400.0
_OPUS_RATE: Final = 48000
#: The number of chunks that are searched for the duration.
_MOST_CHUNKS: Final = 1000
#: Bit rates of layer III in kbit/s, of MPEG 1 and of 2 and 2.5.
_RATES_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def duration_of(mime_type: str, body: bytes, start: int, end: int) -> float | None:
    """Return the seconds of the recording in ``body`` from ``start`` to ``end``."""
    measure = _MEASURES.get(mime_type)
    if measure is None:
        return None
    try:
        seconds = measure(body, start, end)
    except (struct.error, ZeroDivisionError, IndexError, OverflowError):
        return None
    if seconds is None or not math.isfinite(seconds) or not 0 < seconds < _LONGEST:
        return None
    return round(seconds, 3)


def _wav(body: bytes, start: int, end: int) -> float | None:
    place, rate = start + 12, 0
    for _ in range(_MOST_CHUNKS):
        if place + 8 > end:
            break
        name, size = struct.unpack_from("<4sI", body, place)
        place += 8
        if name == b"fmt ":
            (rate,) = struct.unpack_from("<I", body, place + 8)
        elif name == b"data":
            # Streamed files have a placeholder as their size.
            return float(min(size, end - place) / rate)
        place += size + size % 2
    return None


def _aiff(body: bytes, start: int, end: int) -> float | None:
    place = start + 12
    for _ in range(_MOST_CHUNKS):
        if place + 8 > end:
            break
        name, size = struct.unpack_from(">4sI", body, place)
        if name == b"COMM":
            _, frames, _, exponent, mantissa = struct.unpack_from(">hIhHQ", body, place + 8)
            return float(frames / math.ldexp(mantissa, (exponent & 0x7FFF) - 16383 - 63))
        place += 8 + size + size % 2
    return None


def _flac(body: bytes, start: int, end: int) -> float | None:
    (packed,) = struct.unpack_from(">Q", body, start + 18)
    return float((packed & 0xFFFFFFFFF) / (packed >> 44))


def _ogg(body: bytes, start: int, end: int) -> float | None:
    first = start + 27 + body[start + 26]
    if body[first : first + 8] == b"OpusHead":
        rate = _OPUS_RATE
        (skipped,) = struct.unpack_from("<H", body, first + 10)
    elif body[first : first + 7] == b"\x01vorbis":
        skipped = 0
        (rate,) = struct.unpack_from("<I", body, first + 12)
    else:
        return None
    last = body.rfind(b"OggS", start, end)
    (position,) = struct.unpack_from("<q", body, last + 6)
    return float((position - skipped) / rate)


def _mp4(body: bytes, start: int, end: int) -> float | None:
    place = body.find(b"mvhd", start, end)
    if place < 0:
        return None
    wide = body[place + 4] == 1
    if wide:
        scale, length = struct.unpack_from(">IQ", body, place + 24)
    else:
        scale, length = struct.unpack_from(">II", body, place + 16)
    return float(length / scale)


def _mp3(body: bytes, start: int, end: int) -> float | None:
    if body[start : start + 3] == b"ID3":
        size = body[start + 6 : start + 10]
        start += 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
    place = body.find(b"\xff", start, end)
    second, third, fourth = body[place + 1], body[place + 2], body[place + 3]
    version = second >> 3 & 3
    if second & 0xE6 != 0xE2 or version not in _SAMPLES:  # a frame of layer III
        return None
    samples = _SAMPLES[version][third >> 2 & 3]
    side = (17 if fourth >> 6 == 3 else 32) if version == 3 else (9 if fourth >> 6 == 3 else 17)
    tag = place + 4 + side
    if body[tag : tag + 4] in (b"Xing", b"Info"):
        flags, frames = struct.unpack_from(">II", body, tag + 4)
        if flags & 1:
            return float(frames * (1152 if version == 3 else 576) / samples)
    kilobits = (_RATES_1 if version == 3 else _RATES_2)[third >> 4]
    return (end - place) / (kilobits * 125)


_MEASURES: Final[dict[str, Callable[[bytes, int, int], float | None]]] = {
    "audio/wav": _wav,
    "audio/aiff": _aiff,
    "audio/flac": _flac,
    "audio/ogg": _ogg,
    "audio/mp4": _mp4,
    "video/mp4": _mp4,
    "audio/mpeg": _mp3,
}
