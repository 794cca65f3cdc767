"""Vectors as OpenAI writes them: numbers, or base64 of little-endian 32-bit floats."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from typing import Final

_WIDTH: Final = 4


def to_base64(values: Sequence[float]) -> str:
    """Return a vector as base64 text.

    :raises ValueError: if a number does not fit.
    """
    try:
        packed = struct.pack(f"<{len(values)}f", *values)
    except OverflowError as error:
        raise ValueError("a number is too large for 32 bits") from error
    return base64.b64encode(packed).decode("ascii")


def from_base64(text: str) -> tuple[float, ...]:
    """Return the vector in base64 text.

    :raises ValueError: if there is none.
    """
    data = base64.b64decode(text, validate=True)
    count, rest = divmod(len(data), _WIDTH)
    if rest:
        raise ValueError("it is cut in the middle of a number")
    values: tuple[float, ...] = struct.unpack(f"<{count}f", data)
    if not all(map(math.isfinite, values)):
        raise ValueError("it holds something that is no number")
    return values
