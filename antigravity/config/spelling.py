"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, words: Iterable[str]) -> str:
    """Return the most similar of ``words``, or an empty text."""
    by_lower = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower(), list(by_lower), 1, 0.6)
    return by_lower[found[0]] if found else ""
