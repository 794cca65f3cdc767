"""Planned failures of ``flaky-`` accounts; pure."""

from __future__ import annotations

import zlib
from typing import Final

from antigravity.simulator.errors import ApiError, ConnectionFault

#: The prefix of keys and refresh tokens of flaky accounts.
PREFIX: Final = "flaky-"
#: One request of this many fails.
FAILURE_INTERVAL: Final = 5
#: Failures in turn: status and retry delay in seconds, or a connection fault.
FAILURES: Final[tuple[tuple[int, float | None] | str, ...]] = (
    (429, 1.0),
    (500, None),
    "empty",
    (503, None),
    "cut",
    (529, None),
    "garbage",
)


def plan_failure(key: str, number: int) -> ApiError | ConnectionFault | None:
    """Return the failure of a key's ``number``-th request, if it fails.

    The first failure depends on the key, so that keys do not fail in step.
    """
    if not key.startswith(PREFIX):
        return None
    turn, rest = divmod(number + zlib.crc32(key.encode()), FAILURE_INTERVAL)
    if rest:
        return None
    way = FAILURES[turn % len(FAILURES)]
    if isinstance(way, str):
        return ConnectionFault(way)
    status, retry = way
    return ApiError(status, retry=retry)
