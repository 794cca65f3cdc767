"""Collects what a request asked for and the upstream will not get."""

from __future__ import annotations

from antigravity.ir.capabilities import Loss


class Losses:
    """Losses in the order in which they were found, each field once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, bool], Loss] = {}

    def add(self, field: str, detail: str, *, content: bool = False) -> None:
        """Note that ``field`` is lost, unless that is known; ``content`` is as in :class:`Loss`."""
        self._found.setdefault((field, content), Loss(field, detail, content))

    def all(self) -> tuple[Loss, ...]:
        """Return all losses."""
        return tuple(self._found.values())
