"""The label of an account as others than its owner may see it.  Pure."""

from __future__ import annotations


def masked_label(label: str) -> str:
    """Return a label that its owner recognizes and that reveals no e-mail address."""
    name, at, domain = label.partition("@")
    if at:
        return f"{name[:2]}***@{domain}"
    return label if len(label) <= 12 else f"{label[:10]}…"
