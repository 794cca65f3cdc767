"""The settings of prices."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

#: US dollars for a million tokens; -1 is the price of other input.
Dollars = Annotated[float, Meta(ge=0)]
OtherDollars = Annotated[float, Meta(ge=-1)]


class ModelPriceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[prices.models."PATTERN"]``: the prices of models, in US dollars for a million tokens.

    ``upstream`` limits the prices to one upstream.
    """

    input: Dollars = 0.0
    output: Dollars = 0.0
    cached: OtherDollars = -1.0
    cache_write: OtherDollars = -1.0
    cache_write_1h: OtherDollars = -1.0
    upstream: str = ""


class UpstreamPriceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[prices.upstreams.NAME]``: whose prices an upstream has.

    ``provider`` is a name of the price list; empty: by the upstream's address.  With a flat rate
    (``auto``: Code Assist only) requests cost nothing, and the price is kept beside it.
    """

    provider: str = ""
    flat_rate: Literal["auto", "yes", "no"] = "auto"


class PriceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[prices]``: what requests cost."""

    models: dict[str, ModelPriceSettings] = {}
    upstreams: dict[str, UpstreamPriceSettings] = {}
