"""Patterns of model names, in which ``*`` matches any characters."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE | re.DOTALL)


def matches(pattern: str, model: str) -> bool:
    """Return whether ``model`` matches ``pattern``; case does not matter."""
    return _compiled(pattern).fullmatch(model) is not None


def specificity(pattern: str) -> tuple[bool, int]:
    """Return a sort key: exact names first, then patterns with the most literal characters."""
    return ("*" not in pattern, len(pattern.replace("*", "")))
