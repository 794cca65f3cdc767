"""Collects the losses of a translation."""

from __future__ import annotations

from antigravity.ir.capabilities import Loss


class Losses:
    """Losses in the order in which they were found, each once."""

    def __init__(self) -> None:
        self._found: dict[Loss, None] = {}

    def add(self, field: str, detail: str, *, content: bool = False) -> None:
        """Add a loss; ``content`` is as in :class:`Loss`."""
        self._found[Loss(field, detail, content)] = None

    def all(self) -> tuple[Loss, ...]:
        """Return all losses."""
        return tuple(self._found)
