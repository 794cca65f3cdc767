"""Rules about names of models as lines of text: ``claude-* -> gemini-3-pro``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from antigravity.ir.errors import InvalidRequestError

_ARROW: Final = re.compile(r"\s*(?:->|→)\s*")


def mapping_text(mapping: Mapping[str, str]) -> str:
    """Return a mapping with one rule on each line."""
    return "".join(f"{pattern} -> {target}\n" for pattern, target in mapping.items())


def fallback_text(fallbacks: Mapping[str, Sequence[str]]) -> str:
    """Return fallback models with one chain on each line."""
    return "".join(f"{pattern} -> {', '.join(models)}\n" for pattern, models in fallbacks.items())


def read_mapping(text: str) -> dict[str, str]:
    """Return the mapping in a text.

    :raises InvalidRequestError: if a line is not a rule, with its number.
    """
    return dict(_lines(text))


def read_fallbacks(text: str) -> dict[str, list[str]]:
    """Return the fallback models in a text.

    :raises InvalidRequestError: if a line is not a rule, with its number.
    """
    return {
        pattern: [name.strip() for name in models.split(",") if name.strip()]
        for pattern, models in _lines(text)
    }


def _lines(text: str) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        parts = _ARROW.split(line.strip())
        if len(parts) != 2 or not all(parts):
            raise InvalidRequestError(
                f"Line {number} is not a rule: {line.strip()[:100]!r}.  Write PATTERN -> MODEL."
            )
        pattern, target = parts
        if pattern in found:
            raise InvalidRequestError(f"Line {number} repeats the rule for {pattern[:100]!r}.")
        found[pattern] = target
    return list(found.items())
