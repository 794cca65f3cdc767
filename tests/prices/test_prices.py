"""Prices: parts of tokens are paid for once, and what is not known is not priced."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from email.message import Message
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler, Request, build_opener
from urllib.response import addinfourl

import pytest
from click.testing import CliRunner

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.records import AccountRecord
from antigravity.app.prices import PRICES_FILE, RequestPricer, load_prices, price_rules
from antigravity.cli import prices as command
from antigravity.cli.main import antigravity
from antigravity.config.home import prepare_home
from antigravity.config.price_settings import (
    ModelPriceSettings,
    PriceSettings,
    UpstreamPriceSettings,
)
from antigravity.config.secret import Secret
from antigravity.config.settings import UpstreamSettings
from antigravity.ir.record import AttemptRecord
from antigravity.ir.usage import Usage
from antigravity.ledger.rows import Cost
from antigravity.prices.arithmetic import UNCOUNTED, UNITS, cost_of
from antigravity.prices.convert import convert
from antigravity.prices.table import Price, PriceTable, Tier, check_table, load_table
from tests.support.records import make_record

MILLION = 1_000_000


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return load_table()


def dollars(**prices: str) -> dict[str, Price]:
    return {key: Price(Decimal(price)) for key, price in prices.items()}


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(input_total=MILLION), 3.0),
        (Usage(output=MILLION, reasoning=MILLION // 2), 15.0),
        (Usage(input_total=MILLION, cached=MILLION), 0.3),
        (Usage(input_total=MILLION, cached=MILLION // 2), 1.65),
        (Usage(input_total=MILLION, cache_write=MILLION), 3.75),
        (Usage(input_total=MILLION, cache_write=MILLION, cache_write_1h=MILLION), 6.0),
        (Usage(input_total=MILLION, cache_write=MILLION, cache_write_1h=MILLION // 2), 4.875),
        (Usage(searches=3), 0.03),
        (Usage(input_total=1), 0.000003),
        (Usage(), 0.0),
        (Usage(input_total=10, cached=100), 0.00003),
    ],
)
def test_parts_are_paid_for_once(usage: Usage, cost: float) -> None:
    prices = dollars(
        input_mtok="3",
        output_mtok="15",
        cache_read_mtok="0.3",
        cache_write_mtok="3.75",
        cache_write_1h_mtok="6",
        web_searches_kcount="10",
    )
    assert cost_of(usage, prices) == round(cost * 1e9)


def test_parts_without_price_are_paid_for_as_their_whole() -> None:
    usage = Usage(MILLION, MILLION // 2, 0, MILLION, MILLION, image_input=5, audio_output=7)
    assert cost_of(usage, dollars(input_mtok="1", output_mtok="2")) == 3_000_000_000


def test_tier_is_for_all_tokens_of_the_request() -> None:
    prices = {
        "input_mtok": Price(Decimal(1), (Tier(200_000, Decimal(2)),)),
        "output_mtok": Price(Decimal(10), (Tier(200_000, Decimal(15)),)),
    }
    assert cost_of(Usage(input_total=200_000, output=MILLION), prices) == 10_200_000_000
    assert cost_of(Usage(input_total=200_001, output=MILLION), prices) == 15_400_002_000


@pytest.mark.parametrize("key", ["audio_hours", "input_mchars", "input_document_kpages"])
def test_models_that_are_paid_for_by_other_units_are_unpriced(key: str) -> None:
    assert cost_of(Usage(input_total=5), dollars(input_mtok="1", **{key: "1"})) is None
    assert cost_of(Usage(input_total=5), {}) is None


def test_shipped_list_is_sound(table: PriceTable) -> None:
    path = Path(load_table.__code__.co_filename).with_name(PRICES_FILE)
    assert check_table(path.read_bytes()).version == table.version
    license_text = (path.parent / "licenses" / "genai-prices.txt").read_text("utf-8")
    assert "MIT License" in license_text
    assert "Pydantic Services" in license_text


@pytest.mark.parametrize(
    ("kind", "address", "model", "found"),
    [
        ("anthropic", "", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("openai", "", "gpt-5.2-20251211", "gpt-5.2"),
        ("gemini_api", "", "gemini-3-pro-preview", "gemini-3-pro-preview"),
        ("codeassist", "", "gemini-3-pro-preview-high", "gemini-3-pro-preview"),
        ("codeassist", "", "claude-sonnet-4-5-thinking", "claude-sonnet-4-5"),
        ("openai", "https://openrouter.ai/api/v1", "anthropic/claude-sonnet-4.5", "claude"),
        ("anthropic", "https://api.z.ai/api/anthropic", "glm-4.6", "GLM-4.6"),
        ("openai", "http://127.0.0.1:1234/v1", "gpt-5.2", ""),
        ("openai", "", "my-model", ""),
    ],
)
def test_models_are_found_at_their_provider(
    kind: str, address: str, model: str, found: str
) -> None:
    rules = price_rules(PriceSettings(), {"up": UpstreamSettings(kind, base_url=address)})
    pricer = RequestPricer(None)
    pricer.use(rules)
    source, prices = pricer.prices("up", model, 1_796_000_000)
    assert bool(prices) == bool(found)
    assert found in source


def record(model: str, upstream: str = "up") -> Any:
    attempt = AttemptRecord(upstream, model, "a", "openai_chat", True, 0.0)
    return make_record(usage=Usage(input_total=MILLION, output=MILLION), attempts=[attempt])


def test_own_prices_come_first_and_flat_rates_cost_nothing() -> None:
    upstreams = {
        "up": UpstreamSettings("openai", base_url="http://localhost/v1"),
        "sub": UpstreamSettings("codeassist"),
        "other": UpstreamSettings("openai"),
    }
    settings = PriceSettings(
        {
            "my-*": ModelPriceSettings(1.5, 2.5),
            "shared": ModelPriceSettings(7.0, upstream="other"),
        },
        {"other": UpstreamPriceSettings(flat_rate="yes")},
    )
    pricer = RequestPricer(None)
    pricer.use(price_rules(settings, upstreams))
    assert pricer(record("MY-model")) == Cost(4_000_000_000, 4_000_000_000, "configured/1")
    assert pricer(record("shared")) == Cost()
    assert pricer(record("shared", "other")) == Cost(0, 7_000_000_000, "configured/1")
    found = pricer(record("gemini-3-pro-preview", "sub"))
    assert found.cost == 0
    assert found.list_cost is not None
    assert found.list_cost > 10_000_000_000
    assert pricer(make_record(usage=None)) == Cost()


def test_provider_can_be_named() -> None:
    upstreams = {"up": UpstreamSettings("openai", base_url="http://proxy.example/v1")}
    settings = PriceSettings(upstreams={"up": UpstreamPriceSettings("openai")})
    pricer = RequestPricer(None)
    pricer.use(price_rules(settings, upstreams))
    assert pricer(record("gpt-5.2")).cost


DATA = [
    {
        "id": "acme",
        "api_pattern": r"https://api\.acme\.example",
        "models": [
            {
                "id": "one",
                "match": {"or": [{"equals": "one"}, {"regex": "^one-\\d+$"}]},
                "prices": [
                    {"prices": {"input_mtok": 1}},
                    {
                        "constraint": {"start_date": "2026-06-01"},
                        "prices": {
                            "input_mtok": {"base": 2, "tiers": [{"start": 10, "price": 3.5}]}
                        },
                    },
                    {
                        "constraint": {"start_time": "23:00:00+01:00", "end_time": "02:00:00Z"},
                        "prices": {"input_mtok": 0.5},
                    },
                ],
            },
            {"id": "free", "match": {"equals": "free"}, "prices": {}},
        ],
    }
]


@pytest.mark.parametrize(
    ("moment", "price"),
    [
        ("2026-05-31T12:00", "1"),
        ("2026-06-01T12:00", "2"),
        ("2026-06-01T22:00", "0.5"),
        ("2026-06-02T01:59", "0.5"),
        ("2026-06-02T02:00", "2"),
    ],
)
def test_prices_hold_from_a_day_or_at_a_time(moment: str, price: str, tmp_path: Path) -> None:
    (tmp_path / PRICES_FILE).write_bytes(convert(DATA, "test"))
    table = load_prices(tmp_path)
    provider = table.provider_at("https://api.acme.example/v1")
    assert provider is not None
    free = table.find(provider, "free")
    assert free is not None
    assert cost_of(Usage(input_total=5), free.prices_at(0)) is None
    model = table.find(provider, "One-7")
    assert model is not None
    seconds = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    assert model.prices_at(seconds)["input_mtok"].base == Decimal(price)


@pytest.mark.parametrize(
    "data", [{}, [{"id": "x"}], [1], [{**DATA[0], "api_pattern": "("}], "no list"]
)
def test_other_data_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"is no|no list"):
        convert(data, "test")


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity", "-1", "1e999999"])
@pytest.mark.parametrize("place", ["base", "tier"])
def test_prices_that_are_no_amounts_are_refused(price: str, place: str) -> None:
    prices = {"base": "1", "tiers": [{"start": 1, "price": "1"}]}
    if place == "base":
        prices["base"] = price
    else:
        prices["tiers"] = [{"start": 1, "price": price}]
    data = [{**DATA[0], "models": [{**DATA[0]["models"][0], "prices": {"input_mtok": prices}}]}]
    with pytest.raises(ValueError, match="dollars"):
        convert(data, "test")


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b'{"version":"x","providers":[{"id":"p","api":".","models":[{}]}]}',
        b'{"version":"x","providers":' + b"[" * 100_000,
    ],
)
def test_damaged_list_is_not_used(data: bytes, tmp_path: Path, table: PriceTable) -> None:
    (tmp_path / PRICES_FILE).write_bytes(data)
    assert load_prices(tmp_path).version == table.version


def test_every_unit_of_the_list_is_known_or_makes_a_model_unpriced(table: PriceTable) -> None:
    unpriced = {
        key
        for provider in table.providers
        for model in provider.each_model()
        for prices in model.sets
        for key in prices.prices
        if key not in UNITS and key not in UNCOUNTED
    }
    assert all(not key.endswith("_mtok") for key in unpriced)


def run(*arguments: str, home: Path) -> Any:
    done = CliRunner().invoke(antigravity, ["prices", *arguments, "--home", str(home), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_commands_show_update_and_reset_the_list(tmp_path: Path) -> None:
    (tmp_path / "antigravity.toml").write_text(
        '[upstreams.here]\nkind = "openai"\nbase_url = "https://api.acme.example"\n'
        'api_key = "k"\n[upstreams.google]\nkind = "gemini_api"\napi_key = "k"\n'
    )
    here, google = run("show", "gemini-3-pro-preview", home=tmp_path)["upstreams"]
    assert here["prices"] == {}
    assert google["prices"]["input_mtok"]["tiers"][0]["above"] == 200_000
    prepare_home(tmp_path)
    AccountFiles(tmp_path).save(AccountRecord("claude-1", "anthropic", Secret("k"), created=0.0))
    (claude,) = run("show", "claude-sonnet-4-5", "--upstream", "anthropic", home=tmp_path)[
        "upstreams"
    ]
    assert claude["prices"]["cache_write_1h_mtok"]
    source = tmp_path / "data.json"
    source.write_text(json.dumps(DATA))
    assert run("update", str(source), home=tmp_path)["version"].startswith("genai-prices 20")
    (here,) = run("show", "one", "--upstream", "here", home=tmp_path)["upstreams"]
    assert here["prices"]["input_mtok"]
    run("reset", home=tmp_path)
    assert run("version", home=tmp_path)["version"] == load_table().version


@pytest.mark.parametrize(
    "source", ["http://prices.example/", "ftp://x/", "wrong.json", "deep.json", "none.json"]
)
def test_update_refuses_other_sources(source: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text("{}")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    if source.endswith(".json"):
        source = str(tmp_path / source)
    arguments = ["prices", "update", source, "--home", str(tmp_path)]
    done = CliRunner().invoke(antigravity, arguments)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert not (tmp_path / "state").exists()


class FakeHttps(HTTPSHandler):
    """Answers requests for https addresses; ``body`` is for those without ``location``."""

    location = ""
    body = b""

    def https_open(self, req: Request) -> Any:
        headers = Message()
        headers["Location"] = self.location
        status = 302 if self.location else 200
        found: Any = addinfourl(BytesIO(self.body), headers, req.full_url, status)
        found.msg = ""
        return found


def update_over_https(home: Path, monkeypatch: pytest.MonkeyPatch, **response: Any) -> Any:
    fake = type("Fake", (FakeHttps,), response)
    monkeypatch.setattr(command, "build_opener", lambda *handlers: build_opener(fake, *handlers))
    address = "https://prices.example/data.json"
    arguments = ["prices", "update", address, "--home", str(home)]
    return CliRunner().invoke(antigravity, arguments)


@pytest.mark.parametrize("to", ["http://127.0.0.1:9/", "ftp://x/"])
def test_update_follows_redirects_to_https_only(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = update_over_https(tmp_path, monkeypatch, location=to)
    assert done.exit_code == 1
    assert "no https address" in done.output
    assert not (tmp_path / "state").exists()


def test_update_reads_a_list_over_https_up_to_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(DATA).encode()
    done = update_over_https(tmp_path, monkeypatch, body=body)
    assert done.exit_code == 0, done.output
    monkeypatch.setattr(command, "_MAX_BYTES", len(body) - 1)
    done = update_over_https(tmp_path, monkeypatch, body=body)
    assert "is larger than" in done.output
