"""Usage of several responses, added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from antigravity.ir.usage import Usage

#: Fields that count the prompt.
_OF_PROMPT: Final = (
    "input_total",
    "cached",
    "cache_write",
    "tool_input",
    "image_input",
    "audio_input",
)


def sum_usage(usages: Iterable[Usage]) -> Usage:
    """Return the sum of all fields."""
    return sum(usages, Usage())


def usage_of_one_prompt(usages: Sequence[Usage]) -> Usage:
    """Return the usage of several responses to one prompt: the prompt counts once."""
    if not usages:
        return Usage()
    largest = max(usages, key=lambda usage: usage.input_total)
    return replace(sum_usage(usages), **{name: getattr(largest, name) for name in _OF_PROMPT})
