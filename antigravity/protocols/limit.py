"""The limit that an upstream's error reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

#: The code of an error that ends only with a payment.
BILLING_CODE: Final = "insufficient_quota"

LimitKind = Literal["", "quota", "billing"]


class Limit(Struct, frozen=True):
    """The limit that an error reports.

    ``kind`` is ``quota`` for an exhausted quota, ``billing`` if a payment is required, and empty
    otherwise.  ``retry_after`` is in seconds, ``None`` if it is unknown.
    """

    kind: LimitKind = ""
    retry_after: float | None = None


def read_limit(status: int | None, headers: Mapping[str, str], body: Any) -> Limit:
    """Return the limit that an error reports; see :func:`.rate_limits.read_limit`."""
    from antigravity.protocols import rate_limits  # has many patterns; for errors only

    return rate_limits.read_limit(status, headers, body)
