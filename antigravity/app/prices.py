"""Prices of a configuration, and the pricer of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from antigravity.config.price_settings import PriceSettings
from antigravity.config.settings import UpstreamSettings
from antigravity.ir.record import ExchangeRecord
from antigravity.ir.usage import Usage
from antigravity.ledger.rows import Cost
from antigravity.logs import make_logger
from antigravity.prices.price_list import OwnPrice, PriceList, PriceRules, own_prices
from antigravity.prices.table import Price, PriceTable, check_table, load_table

#: A price list that replaces the one that ships with the gateway.
PRICES_FILE: Final = "prices.json"
#: The addresses of kinds of upstreams that have none in the configuration.
_ADDRESSES: Final = {
    "openai": "https://api.openai.com/",
    "anthropic": "https://api.anthropic.com/",
    "gemini_api": "https://generativelanguage.googleapis.com/",
    "codeassist": "https://cloudcode-pa.googleapis.com/",
}
#: The kinds whose accounts have subscriptions.
_FLAT_RATE: Final = frozenset({"codeassist"})

log = make_logger()


def price_rules(prices: PriceSettings, upstreams: Mapping[str, UpstreamSettings]) -> PriceRules:
    """Return what the settings say about prices."""
    own = tuple(
        OwnPrice(
            pattern,
            own_prices(
                input_mtok=each.input,
                output_mtok=each.output,
                cache_read_mtok=each.cached,
                cache_write_mtok=each.cache_write,
                cache_write_1h_mtok=each.cache_write_1h,
            ),
            each.upstream,
        )
        for pattern, each in prices.models.items()
    )
    flat = {name: each.flat_rate for name, each in prices.upstreams.items()}
    return PriceRules(
        own,
        {name: _address(each) for name, each in upstreams.items()},
        {name: each.provider for name, each in prices.upstreams.items() if each.provider},
        frozenset(
            name
            for name, each in upstreams.items()
            if flat.get(name, "auto") == "yes"
            or (flat.get(name, "auto") == "auto" and each.kind in _FLAT_RATE)
        ),
    )


def _address(upstream: UpstreamSettings) -> str:
    """Return the address that says whose prices an upstream has."""
    if upstream.kind in _FLAT_RATE:
        return _ADDRESSES[upstream.kind]
    configured = upstream.base_url or next(iter(upstream.base_urls), "")
    return configured or _ADDRESSES.get(upstream.kind, "")


def load_prices(directory: Path | None) -> PriceTable:
    """Return the price list in ``directory``, else the one that ships with the gateway."""
    if directory is not None:
        path = directory / PRICES_FILE
        try:
            return check_table(path.read_bytes())
        except FileNotFoundError:
            pass  # nobody has downloaded one, which is the usual case
        except (OSError, ValueError, RecursionError) as error:
            log.error(
                "the price list {path} is not used: {error}", path=str(path), error=str(error)
            )
    return load_table()


class RequestPricer:
    """Prices finished exchanges, in the thread of the ledger."""

    def __init__(self, directory: Path | None) -> None:
        self._load = partial(load_prices, directory)
        self._list = PriceList(self._load, PriceRules())

    def use(self, rules: PriceRules) -> None:
        """Price with other rules from now on, and read the price list again."""
        self._list = PriceList(self._load, rules)

    def prices(self, upstream: str, model: str, seconds: float) -> tuple[str, dict[str, Price]]:
        """Return the source of the prices of a model, and the prices; both empty if unknown."""
        return self._list.prices(upstream, model, seconds)

    @property
    def is_loaded(self) -> bool:
        """Whether the price list is read, so that a price is known at once."""
        return self._list.is_loaded

    def load(self) -> None:
        """Read the price list, unless it is read."""
        self._list.load()

    def price(self, upstream: str, model: str, usage: Usage, seconds: float) -> int | None:
        """Return the list price of a usage in nanodollars, ``None`` if it is not known."""
        return self._list.price(upstream, model, usage, seconds).list_cost

    def __call__(self, record: ExchangeRecord) -> Cost:
        """Return the cost of a finished exchange."""
        if record.usage is None or not record.attempts:
            return Cost()
        last = record.attempts[-1]
        found = self._list.price(last.upstream, last.model, record.usage, record.started)
        return Cost(found.cost, found.list_cost, found.version)
