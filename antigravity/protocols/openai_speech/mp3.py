"""Encodes samples as MP3, with LAME if it is installed."""

from __future__ import annotations

from typing import Any

try:
    import lameenc
except ImportError:  # not available on every platform
    lameenc = None

#: Bits per second: enough for speech in one channel.
_BIT_RATE = 64
#: LAME's best are 0 to 2, its fastest 7 to 9.
_QUALITY = 4


def available() -> bool:
    """Return whether MP3 can be encoded."""
    return lameenc is not None


class Mp3Writer:
    """An encoder of one stream, for one thread at a time."""

    def __init__(self) -> None:
        self._lame: Any = None
        self._odd = b""
        self._frame = 2

    def write(self, data: bytes, rate: int, channels: int) -> bytes:
        """Return the frames that these samples complete; all need the first rate and channels."""
        if self._lame is None:
            self._frame = 2 * channels
            self._lame = lame = lameenc.Encoder()
            lame.silence()
            lame.set_bit_rate(_BIT_RATE * channels)
            lame.set_in_sample_rate(rate)
            lame.set_channels(channels)
            lame.set_quality(_QUALITY)
        data = self._odd + data
        whole = len(data) - len(data) % self._frame
        self._odd = data[whole:]
        return bytes(self._lame.encode(data[:whole])) if whole else b""

    def finish(self) -> bytes:
        """Return the last frames."""
        return b"" if self._lame is None else bytes(self._lame.flush())
