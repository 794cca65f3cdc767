"""How much the ledger keeps."""

from __future__ import annotations

from msgspec import Struct


class Bounds(Struct, frozen=True):
    """Rows of the last ``max_age`` seconds, in ``max_bytes`` at most; 0 is no bound."""

    max_age: float
    max_bytes: int
