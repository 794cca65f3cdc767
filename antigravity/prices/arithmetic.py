"""What tokens cost.

Some units are part of others: tokens that were read from a cache are input, those of images are
input, too.  A part that has a price of its own is not paid for again as the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from msgspec import Struct

from antigravity.ir.usage import Usage
from antigravity.prices.table import Price

#: The version of the formula; it changes when the same usage would cost another amount.
FORMULA: Final = 1
_NANODOLLARS: Final = Decimal(1_000_000_000)


class Unit(Struct, frozen=True):
    """What a price is for: ``per`` pieces; ``kind`` says which pieces, and of which others."""

    per: int
    kind: frozenset[str]


def _unit(per: int, *kind: str) -> Unit:
    return Unit(per, frozenset(kind))


_MILLION: Final = 1_000_000
#: The units by the keys of prices.
UNITS: Final[Mapping[str, Unit]] = {
    "input_mtok": _unit(_MILLION, "input"),
    "cache_read_mtok": _unit(_MILLION, "input", "read"),
    "cache_write_mtok": _unit(_MILLION, "input", "write"),
    "cache_write_1h_mtok": _unit(_MILLION, "input", "write", "hour"),
    "input_audio_mtok": _unit(_MILLION, "input", "audio"),
    "input_image_mtok": _unit(_MILLION, "input", "image"),
    "output_mtok": _unit(_MILLION, "output"),
    "output_audio_mtok": _unit(_MILLION, "output", "audio"),
    "output_image_mtok": _unit(_MILLION, "output", "image"),
    "output_reasoning_mtok": _unit(_MILLION, "output", "reasoning"),
    "web_searches_kcount": _unit(1000, "search"),
    "requests_kcount": _unit(1000, "request"),
}
#: Prices for parts that usage does not count on their own: they are paid for as their whole.
UNCOUNTED: Final = frozenset(
    {
        *("cache_audio_read_mtok", "cache_image_read_mtok", "input_video_mtok"),
        *("output_video_mtok", "output_citation_mtok", "storage_searches_kcount"),
    }
)


def cost_of(usage: Usage, prices: Mapping[str, Price]) -> int | None:
    """Return the cost in nanodollars, or ``None`` if the model is paid for by other units.

    Such units are seconds of sound, characters and pages.
    """
    if not prices or any(key not in UNITS and key not in UNCOUNTED for key in prices):
        return None
    counts = _counts(usage)
    # The units with most properties first: they are parts of the others.
    keys = sorted((key for key in prices if key in UNITS), key=lambda key: -len(UNITS[key].kind))
    paid: dict[str, int] = {}
    total = Decimal(0)
    for key in keys:
        unit = UNITS[key]
        parts = sum(count for other, count in paid.items() if UNITS[other].kind > unit.kind)
        paid[key] = count = max(0, counts[key] - parts)
        total += prices[key].at(usage.input_total) * count / unit.per
    return int((total * _NANODOLLARS).quantize(Decimal(1), ROUND_HALF_UP))


def _counts(usage: Usage) -> dict[str, int]:
    return {
        "input_mtok": usage.input_total,
        "cache_read_mtok": usage.cached,
        "cache_write_mtok": usage.cache_write,
        "cache_write_1h_mtok": usage.cache_write_1h,
        "input_audio_mtok": usage.audio_input,
        "input_image_mtok": usage.image_input,
        "output_mtok": usage.output,
        "output_audio_mtok": usage.audio_output,
        "output_image_mtok": usage.image_output,
        "output_reasoning_mtok": usage.reasoning,
        "web_searches_kcount": usage.searches,
        "requests_kcount": 1,
    }
