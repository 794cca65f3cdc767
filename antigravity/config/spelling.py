"""Guess which word was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, words: Iterable[str]) -> str:
    """Return the one of ``words`` that was probably meant, or nothing."""
    by_lower = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower(), list(by_lower), 1, 0.6)
    return by_lower[found[0]] if found else ""
