"""The length of a request's body (RFC 9112, 6.3)."""

from __future__ import annotations

from typing import Final

from antigravity.ir.errors import InvalidRequestError
from antigravity.web.request_body import too_large
from antigravity.web.request_head import RequestHead

#: Most digits of a Content-Length.
_MOST_DIGITS: Final = 15

_MALFORMED: Final = "The request is not well-formed HTTP/1.1."


def body_length(head: RequestHead, limit: int) -> int | None:
    """Return the length of the body in bytes, ``None`` if it is chunked.

    :param limit: the most bytes of a body, for the error.
    :raises InvalidRequestError: if the headers leave a doubt.
    :raises RequestTooLargeError: if the length has too many digits.
    """
    lengths = head.framing.get("content-length")
    codings = head.framing.get("transfer-encoding")
    if codings is None:
        if lengths is None:
            return 0
        (length, *more) = lengths
        if more or not (length.isascii() and length.isdigit()):
            raise InvalidRequestError(_MALFORMED)
        if len(length) > _MOST_DIGITS:
            raise too_large(limit)
        return int(length)
    if lengths is not None or len(codings) > 1 or codings[0].lower() != "chunked":
        raise InvalidRequestError(_MALFORMED)
    if head.version == "HTTP/1.0":
        raise InvalidRequestError("HTTP/1.0 has no Transfer-Encoding.")
    return None
