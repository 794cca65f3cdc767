"""Collects what a request asks for and its target can't get."""

from __future__ import annotations

from antigravity.ir.capabilities import Loss


class Losses:
    """A list of losses in which none stands twice."""

    def __init__(self) -> None:
        self._found: dict[Loss, None] = {}

    def add(self, field: str, detail: str, *, content: bool = False) -> None:
        """Note a loss; ``content`` is as in :class:`Loss`."""
        self._found[Loss(field, detail, content)] = None

    def all(self) -> tuple[Loss, ...]:
        """Return the losses in the order in which they were found."""
        return tuple(self._found)
