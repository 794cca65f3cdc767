"""Limits of an upstream's response in memory."""

from __future__ import annotations

from typing import Final

from antigravity.ir.errors import UpstreamError

#: Bytes of a response that is read as a whole, or from which another is made.
RESPONSE_LIMIT: Final = 256 * 1024 * 1024
#: Bytes that are held for a client before its response begins.
HELD_LIMIT: Final = 16 * 1024 * 1024
#: What one held piece costs besides its bytes.
HELD_COST: Final = 64
#: JSON values in one event.  To decode more takes the time of all other clients.
ITEM_LIMIT: Final = 200_000


def has_too_many_items(data: bytes) -> bool:
    """Return whether one event holds more JSON values than any model sends."""
    return len(data) > ITEM_LIMIT and data.count(b",") > ITEM_LIMIT


def too_many_items() -> UpstreamError:
    """Return the error for such an event."""
    return UpstreamError(
        f"The upstream sent an event of more than {ITEM_LIMIT} values.", code="answer_too_large"
    )


def too_long() -> UpstreamError:
    """Return the error for a response beyond :data:`RESPONSE_LIMIT`."""
    return UpstreamError(
        f"The upstream sent a response of more than {RESPONSE_LIMIT} bytes.",
        code="answer_too_large",
    )


def no_content() -> UpstreamError:
    """Return the error for a response that has no content in its first bytes."""
    return UpstreamError(
        f"The upstream sent more than {HELD_LIMIT} bytes before any content.",
        code="answer_too_large",
    )
