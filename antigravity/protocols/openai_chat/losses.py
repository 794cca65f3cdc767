"""Collects what a request asked for and the upstream will not get."""

from __future__ import annotations

from antigravity.ir.capabilities import Loss


class Losses:
    """Losses in the order in which they were found, each field once."""

    def __init__(self) -> None:
        self._found: dict[str, Loss] = {}

    def add(self, field: str, detail: str) -> None:
        """Note that ``field`` is lost, unless that is known."""
        self._found.setdefault(field, Loss(field, detail))

    def all(self) -> tuple[Loss, ...]:
        """Return all losses."""
        return tuple(self._found.values())
