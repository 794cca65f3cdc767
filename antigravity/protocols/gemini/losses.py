"""What a request could not say, each thing once."""

from __future__ import annotations

from antigravity.ir.capabilities import Loss


class Losses:
    """Collects losses while a request is encoded."""

    def __init__(self) -> None:
        self._found: dict[Loss, None] = {}

    def note(self, field: str, detail: str, *, content: bool = False) -> None:
        """Take note of one loss; the same one again changes nothing.

        ``content`` is as in :class:`Loss`.
        """
        self._found[Loss(field, detail, content)] = None

    def all(self) -> tuple[Loss, ...]:
        """Return them, in the order in which they came."""
        return tuple(self._found)
