"""Makes a price list from the data of genai-prices, whose licence is in ``licenses/``.

The data is the list of providers in ``prices/data.json`` of https://github.com/pydantic/genai-prices.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any, Final

import msgspec

from antigravity.prices.table import check_table

SOURCE: Final = "genai-prices"


def encoded(table: dict[str, Any]) -> bytes:
    """Return a price list as JSON with one line for each provider."""
    lines = ",\n".join(msgspec.json.encode(each).decode() for each in table["providers"])
    head = msgspec.json.encode(table["version"]).decode()
    return f'{{"version":{head},"providers":[\n{lines}\n]}}\n'.encode()


def convert(providers: Any, version: str) -> bytes:
    """Return the JSON of the price list with ``providers``.

    :param version: the version of genai-prices, or the date of the data.
    :raises ValueError: if the data has another form.
    """
    if not isinstance(providers, list):
        raise ValueError("it is no list of providers")
    try:
        made = {"version": f"{SOURCE} {version}", "providers": list(map(_provider, providers))}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no list of providers: {type(error).__name__} {error}") from None
    data = encoded(made)
    check_table(data)
    return data


def _provider(provider: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": provider["id"],
        "api": provider["api_pattern"],
        "models": [_model(model) for model in provider["models"]],
        "fallbacks": provider.get("fallback_model_providers") or [],
    }


def _model(model: dict[str, Any]) -> dict[str, Any]:
    prices = model["prices"]
    sets = prices if isinstance(prices, list) else [{"prices": prices}]
    return {
        "id": model["id"],
        "match": model["match"],
        "sets": [_set(each) for each in sets] or [{"prices": {}}],
    }


def _set(conditional: dict[str, Any]) -> dict[str, Any]:
    constraint = conditional.get("constraint") or {}
    made: dict[str, Any] = {"prices": {k: _price(p) for k, p in conditional["prices"].items()}}
    if "start_date" in constraint:
        made["since"] = constraint["start_date"]
    elif "start_time" in constraint:
        made["start"] = _time(constraint["start_time"])
        made["end"] = _time(constraint["end_time"])
    return made


def _price(price: Any) -> dict[str, Any]:
    if isinstance(price, dict):
        tiers = sorted(price["tiers"], key=lambda tier: tier["start"])
        pairs = [[tier["start"], str(tier["price"])] for tier in tiers]
        return {"base": str(price["base"]), "tiers": pairs}
    return {"base": str(price)}


def _time(text: str) -> str:
    """Return a time of day in universal time, without its zone."""
    moment = time.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = datetime.combine(datetime(1970, 1, 2), moment).astimezone(UTC).time()
    return moment.isoformat()
