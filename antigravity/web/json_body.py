"""JSON bodies of requests that belong to no protocol."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.json_reader import decode
from antigravity.web.request import pop_small_body

T = TypeVar("T")


def read_json(request: Any, kind: type[T], expected: str, *, empty: bytes = b"") -> T:
    """Return the body of ``request`` as a ``kind``; ``empty`` replaces an empty body.

    :param expected: a description of a valid body, for the error.
    :raises InvalidRequestError: if the body is not a ``kind``.
    """
    try:
        return decode(pop_small_body(request).strip() or empty, kind)
    except msgspec.DecodeError as error:
        raise InvalidRequestError(f"Expected {expected}: {error}.") from None
