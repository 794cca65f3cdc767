"""Accounts that fail now and then: which of their requests, and how; pure."""

from __future__ import annotations

import zlib
from typing import Final

from antigravity.simulator.errors import ApiError, Break

#: What the keys and refresh tokens of such accounts begin with.
PREFIX: Final = "flaky-"
#: One of so many requests fails.
EVERY: Final = 5
#: How, one after the other: status and seconds to wait, or how the connection breaks.
WAYS: Final[tuple[tuple[int, float | None] | str, ...]] = (
    (429, 1.0),
    (500, None),
    "empty",
    (503, None),
    "cut",
    (529, None),
    "garbage",
)


def flaw(key: str, number: int) -> ApiError | Break | None:
    """Return how the ``number``-th request of a key fails, if it does.

    Keys do not fail in step: where each of them begins depends on its name.
    """
    if not key.startswith(PREFIX):
        return None
    turn, rest = divmod(number + zlib.crc32(key.encode()), EVERY)
    if rest:
        return None
    way = WAYS[turn % len(WAYS)]
    if isinstance(way, str):
        return Break(way)
    status, retry = way
    return ApiError(status, retry=retry)
