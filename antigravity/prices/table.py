"""The price list: providers, their models, and prices that hold from a date or at a time of day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct

#: The list that ships with the gateway.
TABLE_FILE: Final = "prices.json"
#: The highest price; a higher one, or one that is no number, would make the arithmetic fail.
_MOST_DOLLARS: Final = 1_000_000
_COMPACT_DATE: Final = re.compile(r"-(20\d\d)(\d\d)(\d\d)(?=$|[-:])")


class Clause(Struct, frozen=True, rename={"any_of": "or", "all_of": "and"}, omit_defaults=True):
    """A condition for a name in lower case; the one field that is set says which."""

    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    equals: str | None = None
    regex: str | None = None
    any_of: tuple[Clause, ...] | None = None
    all_of: tuple[Clause, ...] | None = None

    def matches(self, name: str) -> bool:
        """Return whether a name fulfils the condition."""
        if self.equals is not None:
            return name == self.equals.lower()
        if self.starts_with is not None:
            return name.startswith(self.starts_with.lower())
        if self.ends_with is not None:
            return name.endswith(self.ends_with.lower())
        if self.contains is not None:
            return self.contains.lower() in name
        if self.regex is not None:
            return re.search(self.regex, name, re.IGNORECASE) is not None
        if self.any_of is not None:
            return any(each.matches(name) for each in self.any_of)
        return self.all_of is not None and all(each.matches(name) for each in self.all_of)


class Tier(Struct, frozen=True, array_like=True):
    """The price of all tokens of a request with more than ``start`` tokens of input."""

    start: int
    price: Decimal


class Price(Struct, frozen=True, omit_defaults=True):
    """A price in US dollars for the number of units that :mod:`arithmetic` has for its key."""

    base: Decimal
    tiers: tuple[Tier, ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """Return the price for a request with so many tokens of input."""
        found = self.base
        for tier in self.tiers:
            if input_tokens > tier.start:
                found = tier.price
        return found


class PriceSet(Struct, frozen=True, omit_defaults=True):
    """The prices of a model while a condition holds; ``prices`` is by key, such as ``input_mtok``.

    They hold from the day ``since`` on, or each day from ``start`` to ``end`` in universal time.
    """

    prices: dict[str, Price]
    since: date | None = None
    start: time | None = None
    end: time | None = None

    def holds(self, moment: datetime) -> bool:
        """Return whether the condition holds at a moment in universal time."""
        if self.since is not None:
            return moment.date() >= self.since
        if self.start is None or self.end is None:
            return True
        now, start, end = moment.time(), self.start, self.end
        return start <= now < end if start <= end else now >= start or now < end


class PricedModel(Struct, frozen=True, omit_defaults=True):
    """A model; of the sets of prices the last one that holds is in force, else the first."""

    id: str
    match: Clause
    sets: tuple[PriceSet, ...]

    def prices_at(self, seconds: float) -> dict[str, Price]:
        """Return the prices at a time in seconds since the epoch."""
        if len(self.sets) == 1:
            return self.sets[0].prices
        moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
        for prices in reversed(self.sets):
            if prices.holds(moment):
                return prices.prices
        return self.sets[0].prices


class Provider(Struct, frozen=True, omit_defaults=True):
    """A provider; ``api`` is a regular expression for its addresses.

    A model that it does not have is looked for at the ``fallbacks``, whose models it resells.
    ``models`` is an array of :class:`PricedModel` that is not decoded, to save memory.
    """

    id: str
    api: str
    models: msgspec.Raw
    fallbacks: tuple[str, ...] = ()

    def each_model(self) -> Iterator[PricedModel]:
        """Decode one model after the other."""
        for raw in _MODELS.decode(self.models):
            yield _MODEL.decode(raw)


class PriceTable(Struct, frozen=True):
    """The whole list; ``version`` names its source and version."""

    version: str
    providers: tuple[Provider, ...]

    def provider(self, name: str) -> Provider | None:
        """Return the provider with an id, if it is known."""
        return next((each for each in self.providers if each.id == name), None)

    def provider_at(self, address: str) -> Provider | None:
        """Return the provider that serves at ``address``, if it is known."""
        return next((each for each in self.providers if re.match(each.api, address)), None)

    def find(self, provider: Provider, model: str) -> PricedModel | None:
        """Return a model of a provider, or of one whose models it resells."""
        name = model.lower()
        for each in dict.fromkeys((name, _COMPACT_DATE.sub(r"-\1-\2-\3", name))):
            for owner in (provider, *map(self.provider, provider.fallbacks)):
                for found in owner.each_model() if owner is not None else ():
                    if found.match.matches(each):
                        return found
        return None


_MODELS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_MODEL: Final = msgspec.json.Decoder(PricedModel)


def decode_table(data: bytes) -> PriceTable:
    """Return the list in ``data``, whose models are not checked.

    :raises ValueError: if it is invalid.
    """
    return msgspec.json.decode(data, type=PriceTable)


def check_table(data: bytes) -> PriceTable:
    """Return the list in ``data``, after a look at all of it.

    :raises ValueError: if it, or a part of it, is invalid.
    """
    table = decode_table(data)
    for provider in table.providers:
        patterns = [provider.api]
        for model in provider.each_model():
            patterns += _patterns(model.match)
            if not model.sets:
                raise ValueError(f"{provider.id} has a model without prices: {model.id}")
            for amount in _amounts(model):
                if not (amount.is_finite() and 0 <= amount <= _MOST_DOLLARS):
                    raise ValueError(f"{provider.id}: {model.id} costs {str(amount)[:20]} dollars")
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{provider.id}: {pattern!r} is no pattern: {error}") from None
    return table


def load_table() -> PriceTable:
    """Return the list that ships with the gateway."""
    return decode_table((files(__package__) / TABLE_FILE).read_bytes())


def _amounts(model: PricedModel) -> Iterator[Decimal]:
    for prices in model.sets:
        for price in prices.prices.values():
            yield price.base
            for tier in price.tiers:
                yield tier.price


def _patterns(clause: Clause) -> list[str]:
    found = [] if clause.regex is None else [clause.regex]
    for each in (*(clause.any_of or ()), *(clause.all_of or ())):
        found += _patterns(each)
    return found
