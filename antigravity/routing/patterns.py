"""Patterns of model names, in which ``*`` matches any characters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache


@lru_cache(maxsize=4096)
def _compiled(*patterns: str) -> re.Pattern[str]:
    each = (".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
    return re.compile("|".join(each), re.IGNORECASE | re.DOTALL)


def matches(pattern: str, model: str) -> bool:
    """Return whether ``model`` matches ``pattern``; case does not matter."""
    return _compiled(pattern).fullmatch(model) is not None


def matches_any(patterns: Sequence[str], model: str) -> bool:
    """Return whether ``model`` matches one of ``patterns``, of which there must be some."""
    return _compiled(*patterns).fullmatch(model) is not None


def specificity(pattern: str) -> tuple[bool, int]:
    """Return a sort key: exact names first, then patterns with the most literal characters."""
    return ("*" not in pattern, len(pattern.replace("*", "")))
