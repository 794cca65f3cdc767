"""Token counts of several answers, added up.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import asdict, replace

from antigravity.ir.usage import Usage

#: What is counted of the prompt.
_OF_PROMPT: Final = (
    "input_total",
    "cached",
    "cache_write",
    "tool_input",
    "image_input",
    "audio_input",
)


def added(usages: Iterable[Usage]) -> Usage:
    """Return what all of them have cost together."""
    total = dict.fromkeys(Usage.__struct_fields__, 0)
    for usage in usages:
        for name, value in asdict(usage).items():
            total[name] += value
    return Usage(**total)


def of_one_prompt(usages: Sequence[Usage]) -> Usage:
    """Return what one model would count that had given all answers: the prompt once."""
    if not usages:
        return Usage()
    largest = max(usages, key=lambda usage: usage.input_total)
    return replace(added(usages), **{name: getattr(largest, name) for name in _OF_PROMPT})
