"""Decodes token counts."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from antigravity.ir.usage import Usage

#: The most digits of a count that is written as text.
_MAX_DIGITS: Final = 15


class UsageBody(Struct):
    """The usage of a whole response."""

    usage: Any = None


def read_usage(wire: Any) -> Usage | None:
    """Return the counts in a ``usage`` object, ``None`` if it is not an object.

    Google and xAI do not count reasoning in ``completion_tokens``, but in the total.
    """
    if not isinstance(wire, dict):
        return None
    details = _object(wire.get("prompt_tokens_details"))
    output_details = _object(wire.get("completion_tokens_details"))
    prompt = _count(wire, "prompt_tokens")
    output = _count(wire, "completion_tokens")
    reasoning = _count(output_details, "reasoning_tokens")
    hidden = _count(wire, "total_tokens") - prompt - output
    if hidden > 0:
        output += hidden
        reasoning = reasoning or hidden
    cached = _count(details, "cached_tokens") or _count(wire, "prompt_cache_hit_tokens")
    return Usage(
        input_total=prompt,
        cached=cached,
        cache_write=_count(details, "cache_write_tokens"),
        output=output,
        reasoning=reasoning,
        audio_input=_count(details, "audio_tokens"),
        audio_output=_count(output_details, "audio_tokens"),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(wire: dict[str, Any], name: str) -> int:
    value = wire.get(name)
    if value is None:
        return 0
    if isinstance(value, str) and value.isdecimal() and len(value) <= _MAX_DIGITS:
        return int(value)
    return max(0, int(value)) if isinstance(value, int | float) else 0
