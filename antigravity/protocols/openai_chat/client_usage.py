"""Reads token counts."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from antigravity.ir.usage import Usage

#: Digits of the largest number that is believed where it is written as text.
_DIGITS: Final = 15


class UsageBody(Struct):
    """A whole answer, of which only the usage matters."""

    usage: Any = None


def read_usage(wire: Any) -> Usage | None:
    """Return the counts in a ``usage`` object, or ``None`` if it is none.

    Google and xAI leave the reasoning out of ``completion_tokens``; the total tells.
    """
    if not isinstance(wire, dict):
        return None
    prompt = _count(wire, "prompt_tokens")
    output = _count(wire, "completion_tokens")
    reasoning = _count(wire.get("completion_tokens_details"), "reasoning_tokens")
    hidden = _count(wire, "total_tokens") - prompt - output
    if hidden > 0:
        output += hidden
        reasoning = reasoning or hidden
    details = wire.get("prompt_tokens_details")
    cached = _count(details, "cached_tokens") or _count(wire, "prompt_cache_hit_tokens")
    return Usage(
        input_total=prompt,
        cached=cached,
        cache_write=_count(details, "cache_write_tokens"),
        output=output,
        reasoning=reasoning,
        audio_input=_count(details, "audio_tokens"),
        audio_output=_count(wire.get("completion_tokens_details"), "audio_tokens"),
    )


def _count(wire: Any, name: str) -> int:
    value = wire.get(name) if isinstance(wire, dict) else None
    if isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    return max(0, int(value)) if isinstance(value, int | float) else 0
