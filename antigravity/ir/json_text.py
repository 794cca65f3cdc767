"""Repairs JSON text of clients that upstreams and parsers reject."""

from __future__ import annotations

from typing import Final

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.surrogates import (
    TooManySurrogatesError,
    has_escaped_halves,
    repair_surrogates,
)

#: Bytes of a body that :func:`clean_json` may be called for in the event loop.
SMALL: Final = 128 * 1024
_MARK: Final = b"\xef\xbb\xbf"
#: The most lone surrogates in one body; clients that cut text wrongly make a few.
_MOST_HALVES: Final = 10_000


def may_need_cleaning(body: bytes, outline: bytes) -> bool:
    """Return whether :func:`clean_json` may change a body; ``outline`` is that of the body."""
    if body.startswith(_MARK):
        return True
    return _is_json(body) and (b"\xed" in body or has_escaped_halves(outline))


def clean_json(body: bytes) -> bytes:
    """Return a JSON body without a byte-order mark, and with U+FFFD for lone surrogates.

    Upstreams and parsers reject both.  Other bodies are returned without a copy.

    :raises InvalidRequestError: if there are too many lone surrogates.
    """
    if body.startswith(_MARK):
        body = body[len(_MARK) :]
    if not _is_json(body):
        return body
    try:
        return repair_surrogates(body, _MOST_HALVES)
    except TooManySurrogatesError:
        raise InvalidRequestError(
            f"The request body contains more than {_MOST_HALVES} lone surrogates (halves of "
            "characters); send whole characters."
        ) from None


def _is_json(body: bytes) -> bool:
    return body[:64].lstrip()[:1] in (b"{", b"[")
