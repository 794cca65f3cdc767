"""How much the ledger keeps."""

from __future__ import annotations

from msgspec import Struct


class Bounds(Struct, frozen=True):
    """Rows of the last ``max_age`` seconds, in ``max_bytes`` at most; 0 is no bound.

    Payloads have bounds of their own.
    """

    max_age: float
    max_bytes: int
    payload_max_age: float = 3 * 86_400.0
    payload_max_bytes: int = 512 * 1024 * 1024
