"""The cost of requests: the operator's own prices first, then the price list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from antigravity.ir.usage import Usage
from antigravity.prices.arithmetic import FORMULA, Formula, formula_of
from antigravity.prices.table import Price, PricedModel, PriceTable

#: The most models whose prices are kept at hand.
_LIMIT: Final = 1000
#: Endings that routes and providers add to the names of models, without another price.
_ENDINGS: Final = ("-thinking", "-high", "-medium", "-low", "-minimal", "-latest")
CONFIGURED: Final = "configured"


class OwnPrice(Struct, frozen=True):
    """Prices of the operator for models, and for one upstream if that is named."""

    pattern: str
    prices: dict[str, Price]
    upstream: str = ""


class PriceRules(Struct, frozen=True):
    """What the configuration says about prices.

    ``addresses`` are those of the upstreams by name, ``providers`` the names in the price list
    that the operator has given them.  ``flat_rate`` names upstreams whose requests cost nothing.
    """

    own: tuple[OwnPrice, ...] = ()
    addresses: Mapping[str, str] = {}
    providers: Mapping[str, str] = {}
    flat_rate: frozenset[str] = frozenset()


class RequestPrice(Struct, frozen=True, gc=False):
    """What a request costs, and would cost without a flat rate, in nanodollars."""

    cost: int | None = None
    list_cost: int | None = None
    version: str = ""


class _Found(Struct):
    """What is known of a model at an upstream: the operator's prices, or those of the list.

    ``formula`` is that of ``prices``, which requests were paid for last.
    """

    version: str = ""
    own: dict[str, Price] | None = None
    listed: PricedModel | None = None
    prices: Mapping[str, Price] = {}
    formula: Formula | None = None

    def cost(self, usage: Usage, seconds: float) -> int | None:
        """Return the cost of a request, ``None`` if it is unknown."""
        prices = self.own if self.listed is None else self.listed.prices_at(seconds)
        if prices is None:
            return None
        if prices is not self.prices:
            self.formula = formula_of(prices)
            self.prices = prices
        return None if self.formula is None else self.formula.cost(usage)


class PriceList:
    """The prices in force.

    :param load: returns the price list; called when it is first needed.
    """

    def __init__(self, load: Callable[[], PriceTable], rules: PriceRules) -> None:
        self._load = load
        self._rules = rules
        self._table: PriceTable | None = None
        self._known: dict[tuple[str, str], _Found] = {}

    @property
    def is_loaded(self) -> bool:
        """Whether the price list was loaded."""
        return self._table is not None

    def load(self) -> None:
        """Load the price list, if it is not loaded."""
        self._table = self._table or self._load()

    def price(self, upstream: str, model: str, usage: Usage, seconds: float) -> RequestPrice:
        """Return what a request costs.

        :param seconds: when it began, since the epoch.
        """
        flat = upstream in self._rules.flat_rate
        found = self._find(upstream, model)
        listed = found.cost(usage, seconds)
        version = f"{found.version}/{FORMULA}" if found.version else ""
        return RequestPrice(0 if flat else listed, listed, version)

    def prices(self, upstream: str, model: str, seconds: float) -> tuple[str, dict[str, Price]]:
        """Return the source of the prices of a model and the prices, both empty if unknown."""
        found = self._find(upstream, model)
        if found.listed is not None:
            return f"{found.version}, {found.listed.id}", found.listed.prices_at(seconds)
        return found.version, found.own or {}

    def _find(self, upstream: str, model: str) -> _Found:
        key = upstream, model
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _LIMIT:
                self._known.clear()
            found = self._known[key] = self._look_up(upstream, model)
        return found

    def _look_up(self, upstream: str, model: str) -> _Found:
        rules = self._rules
        for own in rules.own:
            if own.upstream in ("", upstream) and fnmatchcase(model.lower(), own.pattern.lower()):
                return _Found(CONFIGURED, own=own.prices)
        table = self._table = self._table or self._load()
        name = rules.providers.get(upstream)
        if name is not None:
            provider = table.provider(name)
        else:
            provider = table.provider_at(rules.addresses.get(upstream, ""))
        if provider is not None:
            for each in _names(model):
                if (listed := table.find(provider, each)) is not None:
                    return _Found(table.version, listed=listed)
        return _Found()


def _names(model: str) -> Iterator[str]:
    """Return the name of a model, and what is left of it without prefixes and endings."""
    yield model
    name = model.rpartition("/")[2]
    if name != model:
        yield name
    shortened = True
    while shortened:
        shortened = False
        for ending in _ENDINGS:
            if name.endswith(ending):
                name = name.removesuffix(ending)
                shortened = True
                yield name


def own_prices(**dollars: float) -> dict[str, Price]:
    """Return prices by key, without negative ones; all are in US dollars for a million tokens."""
    return {key: Price(Decimal(repr(each))) for key, each in dollars.items() if each >= 0}
