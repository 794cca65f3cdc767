"""Writes the price list that ships with the gateway, from the installed genai-prices.

Run it with ``make prices`` after an update of genai-prices.
"""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from genai_prices.data import providers
from genai_prices.types import (
    ClauseAnd,
    ClauseOr,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
)

from antigravity.prices import table
from antigravity.prices.convert import convert

PATH: Final = Path(table.__file__).with_name(table.TABLE_FILE)


def package_data() -> list[dict[str, Any]]:
    """Return the data of the installed package in the form of its ``data.json``."""
    return list(map(_provider, providers))


def _provider(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "api_pattern": provider.api_pattern,
        "fallback_model_providers": provider.fallback_model_providers,
        "models": [
            {"id": model.id, "match": _clause(model.match), "prices": _sets(model.prices)}
            for model in provider.models
        ],
    }


def _clause(clause: Any) -> dict[str, Any]:
    if isinstance(clause, ClauseOr):
        return {"or": list(map(_clause, clause.or_))}
    if isinstance(clause, ClauseAnd):
        return {"and": list(map(_clause, clause.and_))}
    return dataclasses.asdict(clause)


def _sets(prices: Any) -> Any:
    if isinstance(prices, ModelPrice):
        return _prices(prices)
    return [
        {"constraint": _constraint(each.constraint), "prices": _prices(each.prices)}
        for each in prices
    ]


def _constraint(constraint: Any) -> dict[str, Any] | None:
    if constraint is None:
        return None
    if isinstance(constraint, StartDateConstraint):
        return {"start_date": constraint.start_date.isoformat()}
    return {
        "start_time": constraint.start_time.isoformat(),
        "end_time": constraint.end_time.isoformat(),
    }


def _prices(prices: ModelPrice) -> dict[str, Any]:
    return {key: _price(value) for key, value in prices.__dict__.items() if value is not None}


def _price(price: Any) -> Any:
    return dataclasses.asdict(price) if isinstance(price, TieredPrices) else price


def make() -> bytes:
    """Return the content of the file."""
    return convert(package_data(), version("genai-prices"))


if __name__ == "__main__":
    PATH.write_bytes(make())
    print(PATH, len(PATH.read_bytes()))
