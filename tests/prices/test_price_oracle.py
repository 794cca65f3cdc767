"""Prices are those that genai-prices computes, for random usage of every model of its data."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Final

import pytest

from antigravity.ir.usage import Usage
from antigravity.prices.arithmetic import UNCOUNTED, UNITS, cost_of
from antigravity.prices.table import load_table

pytest.importorskip("genai_prices")

from genai_prices.data import providers
from genai_prices.types import Usage as OracleUsage

from tests.support.price_table import PATH, make

MOMENTS: Final = tuple(
    datetime(2026, month, 5, hour, tzinfo=UTC) for month in (1, 7, 11) for hour in (3, 17)
)


def oracle_usage(usage: Usage) -> OracleUsage:
    """Return usage in the words of the library, with zeros for what is not counted."""
    return OracleUsage(
        input_tokens=usage.input_total,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
        input_audio_tokens=usage.audio_input,
        input_image_tokens=usage.image_input,
        output_tokens=usage.output,
        output_audio_tokens=usage.audio_output,
        output_image_tokens=usage.image_output,
        output_reasoning_tokens=usage.reasoning,
        web_searches=usage.searches,
        cache_audio_read_tokens=0,
        cache_image_read_tokens=0,
        input_video_tokens=0,
        output_video_tokens=0,
        output_citation_tokens=0,
        storage_searches=0,
    )


def make_usage(chance: random.Random) -> Usage:
    """Return random usage whose parts do not overlap."""
    cached, write, audio, image, rest = (
        chance.choice((0, chance.randrange(10), chance.randrange(300_000))) for _ in range(5)
    )
    spoken, drawn, thought, said = (chance.choice((0, chance.randrange(100_000))) for _ in range(4))
    return Usage(
        input_total=cached + write + audio + image + rest,
        cached=cached,
        cache_write=write,
        cache_write_1h=chance.choice((0, write, write // 3)),
        audio_input=audio,
        image_input=image,
        output=spoken + drawn + thought + said,
        audio_output=spoken,
        image_output=drawn,
        reasoning=thought,
        searches=chance.randrange(3),
    )


def test_shipped_list_is_that_of_the_installed_version() -> None:
    if load_table().version != f"genai-prices {version('genai-prices')}":
        pytest.skip("another version is installed; make prices takes its data")
    assert PATH.read_bytes() == make()


def test_costs_are_those_of_the_library() -> None:
    table, chance = load_table(), random.Random(7)
    compared = 0
    for provider in providers:
        mine = table.provider(provider.id)
        for model in provider.models:
            assert mine is not None
            priced = next(each for each in mine.each_model() if each.id == model.id)
            usage, moment = make_usage(chance), chance.choice(MOMENTS)
            prices = priced.prices_at(moment.timestamp())
            cost = cost_of(usage, prices)
            if cost is None:
                assert set(prices) - UNITS.keys() - UNCOUNTED or not prices
                continue
            found = model.calc_price(oracle_usage(usage), provider, genai_request_timestamp=moment)
            assert abs(Decimal(cost) - found.total_price * 10**9) <= 1, (provider.id, model.id)
            compared += 1
    assert compared > 2000


def test_models_are_matched_as_in_the_library() -> None:
    table, chance = load_table(), random.Random(8)
    for provider in providers:
        mine = table.provider(provider.id)
        assert mine is not None
        for model in chance.sample(provider.models, min(12, len(provider.models))):
            for name in (model.id, model.id.upper(), f"{model.id}-20251211"):
                theirs = provider.find_model(name, all_providers=providers)
                found = table.find(mine, name)
                assert (found and found.id) == (theirs and theirs.id)
