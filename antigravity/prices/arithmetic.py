"""What tokens cost.

Some units are part of others: tokens that were read from a cache are input, those of images are
input, too.  A part that has a price of its own is not paid for again as the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Final

from msgspec import Struct

from antigravity.ir.usage import Usage
from antigravity.prices.table import Price

#: The version of the formula; it changes when the same usage would cost another amount.
FORMULA: Final = 1
_NANODOLLARS: Final = Decimal(1_000_000_000)
_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


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


class Term(Struct, frozen=True):
    """What is paid for one unit: ``parts`` are the places of those that are paid for before."""

    count: Callable[[Usage], int]
    price: Price
    per: int
    parts: tuple[int, ...]


class Formula(Struct, frozen=True):
    """How prices make a cost; those of a model are the same for many requests."""

    terms: tuple[Term, ...]

    def cost(self, usage: Usage) -> int:
        """Return the cost in nanodollars."""
        total = _ZERO
        paid: list[int] = []
        for term in self.terms:
            count = term.count(usage)
            for place in term.parts:
                count -= paid[place]
            if count <= 0:
                paid.append(0)
                continue
            paid.append(count)
            total += term.price.at(usage.input_total) * count / term.per
        return int((total * _NANODOLLARS).quantize(_ONE, ROUND_HALF_UP))


def formula_of(prices: Mapping[str, Price]) -> Formula | None:
    """Return the formula of prices, or ``None`` if the model is paid for by other units.

    Such units are seconds of sound, characters and pages.
    """
    if not prices or any(key not in UNITS and key not in UNCOUNTED for key in prices):
        return None
    # The units with most properties first: they are parts of the others.
    keys = sorted((key for key in prices if key in UNITS), key=lambda key: -len(UNITS[key].kind))
    return Formula(
        tuple(
            Term(
                _COUNTS[key],
                prices[key],
                UNITS[key].per,
                tuple(
                    place
                    for place, other in enumerate(keys[:number])
                    if UNITS[other].kind > UNITS[key].kind
                ),
            )
            for number, key in enumerate(keys)
        )
    )


def cost_of(usage: Usage, prices: Mapping[str, Price]) -> int | None:
    """Return the cost in nanodollars, or ``None`` if :func:`formula_of` has no formula."""
    formula = formula_of(prices)
    return None if formula is None else formula.cost(usage)


#: How many pieces of each unit a request has.
_COUNTS: Final[Mapping[str, Callable[[Usage], int]]] = {
    "input_mtok": attrgetter("input_total"),
    "cache_read_mtok": attrgetter("cached"),
    "cache_write_mtok": attrgetter("cache_write"),
    "cache_write_1h_mtok": attrgetter("cache_write_1h"),
    "input_audio_mtok": attrgetter("audio_input"),
    "input_image_mtok": attrgetter("image_input"),
    "output_mtok": attrgetter("output"),
    "output_audio_mtok": attrgetter("audio_output"),
    "output_image_mtok": attrgetter("image_output"),
    "output_reasoning_mtok": attrgetter("reasoning"),
    "web_searches_kcount": attrgetter("searches"),
    "requests_kcount": lambda _: 1,
}
