"""How parts of the encoder say what a request asks for and its target cannot get."""

from __future__ import annotations

from typing import Protocol


class Warn(Protocol):
    """Takes note of a loss; ``content`` is as in :class:`antigravity.ir.capabilities.Loss`."""

    def __call__(self, field: str, detail: str, *, content: bool = False) -> None:
        """Note a loss."""
