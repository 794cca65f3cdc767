"""Vectors in base64, as OpenAI encodes them: little-endian 32-bit floats."""

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

    :raises ValueError: if it is malformed.
    """
    data = base64.b64decode(text, validate=True)
    count, rest = divmod(len(data), _WIDTH)
    if rest:
        raise ValueError("the last number is incomplete")
    values: tuple[float, ...] = struct.unpack(f"<{count}f", data)
    if not all(map(math.isfinite, values)):
        raise ValueError("a value is not a finite number")
    return values
