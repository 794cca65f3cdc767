"""The label of an account as others than its owner may see it.  Pure."""

from __future__ import annotations

from typing import Final

#: The most letters of a label.
_LONGEST: Final = 32


def masked_label(label: str) -> str:
    """Return a label that its owner recognizes and that reveals no e-mail address."""
    name, at, domain = label.partition("@")
    if at:
        return f"{name[:2]}***@{domain}"
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
