"""The settings of prices."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

#: US dollars for a million tokens; -1 is the price of other input.
Dollars = Annotated[float, Meta(ge=0)]
OtherDollars = Annotated[float, Meta(ge=-1)]


class ModelPriceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[prices.models.NAME]``: the prices of models, in US dollars for a million tokens.

    ``NAME`` is the name of a served model, or a pattern such as ``"my-model-*"``; the first one
    that matches counts.
    """

    input: Dollars = 0.0
    """US dollars for a million tokens of input.

    Example: ``0.3``
    """
    output: Dollars = 0.0
    """The same for output, with reasoning.

    Example: ``2.5``
    """
    cached: OtherDollars = -1.0
    """The same for input that was read from a cache; -1 is the price of other input.

    Example: ``0.03``
    """
    cache_write: OtherDollars = -1.0
    """The same for input that was written to a cache; -1 is the price of other input.

    Example: ``0.375``
    """
    cache_write_1h: OtherDollars = -1.0
    """The same for input that was written to a cache for an hour; -1 is the price of
    ``cache_write``.

    Example: ``0.6``
    """
    upstream: str = ""
    """The only upstream that has these prices; empty for all.

    Example: ``"openrouter"``
    """


class UpstreamPriceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[prices.upstreams.NAME]``: whose prices an upstream has; ``NAME`` is its name."""

    provider: str = ""
    """The provider in the price list whose prices the upstream has; empty: by its address.

    Example: ``"openai"``
    """
    flat_rate: Literal["auto", "yes", "no"] = "auto"
    """``"yes"``, ``"no"`` or ``"auto"`` (Code Assist only): whether the upstream's accounts have a
    flat rate, so that requests cost nothing.

    The list price is kept beside it.

    Example: ``"yes"``
    """


class PriceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[prices]``: what requests cost.

    A list of prices ships with the gateway; these prices come first.

    See `operations <operations.rst#costs>`_.
    """

    models: dict[str, ModelPriceSettings] = {}
    upstreams: dict[str, UpstreamPriceSettings] = {}
