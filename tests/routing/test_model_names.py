"""Model names with the decorations of brokers and clouds."""

from __future__ import annotations

import pytest

from antigravity.routing.capability_table import CapabilityTable, load_table, parse_rules
from antigravity.routing.model_names import generation_of, plain_name

TABLE = load_table([])


@pytest.mark.parametrize(
    ("name", "plain", "generation"),
    [
        ("anthropic/claude-opus-4.6:free", "claude-opus-4-6", (4, 6)),
        ("us.anthropic.claude-opus-4-6-v1:0", "claude-opus-4-6-v1", (4, 6)),
        ("claude-opus-4-5@20251101", "claude-opus-4-5", (4, 5)),
        ("claude-4.5-sonnet", "claude-sonnet-4-5", (4, 5)),
        ("anthropic--claude-4-opus", "claude-opus-4", (4, 0)),
        ("claude-3.7-sonnet:thinking", "claude-3-7-sonnet", (3, 7)),
        ("claude-opus-4-20250514", "claude-opus-4-20250514", (4, 0)),
        ("Claude-Fable-5", "claude-fable-5", (5, 0)),
        ("gemini-claude-opus-4-5-thinking", "claude-opus-4-5-thinking", (4, 5)),
        ("models/gemini-3-flash", "gemini-3-flash", (3, 0)),
        ("gemini-2-5-pro", "gemini-2.5-pro", (2, 5)),
        ("openai/gpt-5.1-2025-11-13", "gpt-5.1-2025-11-13", (5, 1)),
        ("copilot-gpt-5", "gpt-5", (5, 0)),
        ("gpt-4-1106-preview", "gpt-4-1106-preview", (4, 0)),
        ("chatgpt-4o-latest", "chatgpt-4o-latest", (4, 0)),
        ("gpt-oss-120b", "gpt-oss-120b", None),
        ("xai.grok-4", "grok-4", (4, 0)),
        ("mistral-large-latest", "mistral-large-latest", None),
    ],
)
def test_plain_name_is_the_providers_spelling(
    name: str, plain: str, generation: tuple[int, int] | None
) -> None:
    assert plain_name(name) == plain
    assert generation_of(plain) == generation


@pytest.mark.parametrize(
    "names",
    [
        ("claude-opus-4-8", "anthropic/claude-opus-4.8", "claude-opus-4.8:free", "claude-4.8-opus",
         "us.anthropic.claude-opus-4-8-v1:0", "claude-opus-4-8@2026", "claude-opus-4-8-thinking"),
        ("gpt-5.1", "openai/gpt-5.1", "gpt-5.1-2025-11-13", "azure/gpt-5-1", "openai/gpt-5.1:free"),
        ("gemini-3.6-flash", "google/gemini-3.6-flash", "models/gemini-3.6-flash"),
        ("deepseek-v4-pro", "deepseek/deepseek-v4-pro:free", "deepseek-ai/DeepSeek-V4-Pro"),
    ],
)  # fmt: skip
def test_decorated_names_have_the_same_capabilities(names: tuple[str, ...]) -> None:
    first, *others = (TABLE.capabilities(name) for name in names)
    assert all(other == first for other in others)


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-5", "minimal low medium high"),
        ("gpt-5-pro", "high"),
        ("gpt-5-codex", "low medium high"),
        ("gpt-5.1", "none low medium high"),
        ("gpt-5.1-codex-max", "low medium high xhigh"),
        ("gpt-5.2-pro", "medium high xhigh"),
        ("gpt-5.5", "none low medium high xhigh"),
        ("gpt-5.6-sol", "none low medium high xhigh max"),
        ("gpt-6-astra", "low medium high xhigh max"),
        ("gpt-oss-20b", "low medium high"),
        ("o3", "low medium high"),
        ("claude-opus-4-5", "low medium high"),
        ("claude-sonnet-4-5", ""),
        ("claude-sonnet-4-6", "low medium high max"),
        ("claude-opus-4-7", "low medium high xhigh max"),
        ("claude-sonnet-5", "low medium high xhigh max"),
        ("claude-fable-5-2", "low medium high xhigh max"),
        ("claude-haiku-5-5", "low medium high xhigh max"),
        ("gpt-6-sol", "none low medium high xhigh max"),
        ("gpt-6.1-terra", "none low medium high xhigh max"),
        ("gpt-6.1-sol", "low medium high xhigh max"),
        ("gpt-5.6-pro", "medium high xhigh"),
        ("gemini-3.7-flash", "low medium high"),
        ("deepseek-v4-pro", "low high max"),
        ("deepseek-v3-0324", ""),
        ("glm-5.2", "high max"),
        ("glm-5.3", "low high max"),
        ("kimi-k3.1-pro", "low high max"),
        ("mistral-small-2603", "none high"),
        ("grok-4.3", "none low medium high"),
        ("gemini-3-pro", "low high"),
        ("gemini-3.6-flash", "minimal low medium high"),
        ("gemini-3.8-flash", "low medium high"),
        ("gemini-4-argon", "low medium high"),
        ("grok-4.5", "low medium high"),
    ],
)
def test_efforts_of_known_models(model: str, efforts: str) -> None:
    assert " ".join(TABLE.capabilities(model).efforts) == efforts


@pytest.mark.parametrize(
    ("model", "off", "always", "forced", "sampling"),
    [
        ("claude-opus-4-6", "disabled", False, True, True),
        ("claude-opus-4-8", "disabled", False, True, False),
        ("claude-opus-5", "disabled", False, True, False),
        ("claude-opus-5-5", "between_tools", False, False, False),
        ("claude-sonnet-5-5-20260928", "between_tools", False, False, False),
        ("claude-fable-5", "disabled", True, True, False),
        ("claude-fable-5-20260901", "disabled", True, True, False),
        ("claude-mythos-5-1", "disabled", True, False, False),
        ("gemini-3.6-flash", "disabled", False, True, False),
        ("gemini-3.5-flash", "disabled", False, True, True),
    ],
)
def test_capabilities_by_generation(
    model: str, off: str, always: bool, forced: bool, sampling: bool
) -> None:
    found = TABLE.capabilities(model)
    assert found.thinking_off == off
    assert (found.min_budget > 0) is always
    assert found.forced_tools is forced
    assert found.sampling is sampling


def test_operator_rules_match_plain_and_full_names() -> None:
    own = parse_rules(
        '[[model]]\nmatch = ["openai/gpt-5"]\nmax_choices = 3\n'
        '[[model]]\nmatch = ["claude-*"]\nfrom = "5"\nbefore = "5.5"\nmax_choices = 2\n',
        "own.toml",
    )
    table = CapabilityTable((), own)
    assert table.capabilities("openai/gpt-5").max_choices == 3
    assert table.capabilities("gpt-5").max_choices != 3
    assert table.capabilities("anthropic/claude-opus-5").max_choices == 2
    assert table.capabilities("claude-opus-5-5").max_choices != 2
    assert table.capabilities("claude-opus-4-8").max_choices != 2
    assert table.capabilities("claude-instant").max_choices != 2


def test_generation_bounds_must_be_numbers() -> None:
    with pytest.raises(ValueError, match=r"own\.toml: model rule 1: from, before"):
        parse_rules('[[model]]\nmatch = ["a"]\nfrom = "new"\n', "own.toml")


@pytest.mark.parametrize(
    ("plain", "spellings"),
    [
        ("claude-sonnet-4-5", ("anthropic/claude-4.5-sonnet claude_sonnet_4_5 claude-sonnet-45 "
         "claude-sonnet-4.5:thinking claude-sonnet-4-5[1m] databricks-claude-sonnet-4-5")),
        ("gpt-4.1-mini", "openai/gpt-4.1-mini azure/gpt-41-mini gpt-4-1-mini gpt4.1-mini"),
        ("gpt-6.1-sol", "openai-gpt-61-sol openai/gpt-6.1-sol:free gpt-6-1-sol"),
        ("gpt-3.5-turbo", "gpt-35-turbo openai/gpt-3.5-turbo"),
        ("gpt-oss-120b", "databricks-gpt-oss-120b @cf/openai/gpt-oss-120b openai.gpt-oss-120b:1"),
        ("o3-mini", "openai-o3-mini openai/o3-mini:batch azure/o3-mini"),
        ("gemini-3.1-pro-preview", "models/gemini-3-1-pro-preview google/gemini-3.1-pro-preview"),
        ("glm-4.6", ("zai-org/GLM-4.6 glm-4-6 accounts/fireworks/models/glm-4p6 zai-glm-4.6 "
         "glm4.6 z-ai/glm-4.6:exacto glm-4.6:cloud")),
        ("kimi-k2.5", ("moonshotai/Kimi-K2.5 kimi-k2-5 accounts/fireworks/models/kimi-k2p5 "
         "moonshot.kimi-k2.5 Kimi_K2.5")),
        ("deepseek-v3.1", ("deepseek-ai/DeepSeek-V3.1 deepseek-v3-1 deepseek-v3p1 "
         "deepseek-v3.1:671b-cloud")),
        ("qwen3-235b-a22b-instruct-2507", ("Qwen/Qwen3-235B-A22B-Instruct-2507 "
         "qwen-3-235b-a22b-instruct-2507 qwen/qwen3-235b-a22b-instruct-2507:free")),
        ("qwen2.5-72b-instruct", "qwen2-5-72b-instruct Qwen/Qwen2.5-72B-Instruct"),
        ("minimax-m2.5", "MiniMaxAI/MiniMax-M2.5 minimax-m2p5 minimax-m2-5 minimax/minimax-m2.5"),
        ("mistral-medium-3.5", "mistralai/mistral-medium-3-5 mistral-medium-3.5"),
        ("grok-4.5", "x-ai/grok-4.5 xai.grok-4-5 xai-grok-4-5 grok-4-5"),
        ("llama-3.3-70b-instruct", ("meta-llama/Llama-3.3-70B-Instruct:free "
         "accounts/fireworks/models/llama-v3p3-70b-instruct meta.llama3-3-70b-instruct")),
    ],
)  # fmt: skip
def test_spellings_of_brokers_have_one_plain_name(plain: str, spellings: str) -> None:
    for spelling in (plain, *spellings.split()):
        assert plain_name(spelling) == plain, spelling
        assert TABLE.capabilities(spelling) == TABLE.capabilities(plain), spelling


@pytest.mark.parametrize(
    "name",
    ["qwen3-8b", "glm-4-9b-chat", "kimi-k2-0905", "deepseek-v3-0324", "grok-4-0709",
     "gpt-4-0613", "gpt-4-1106-preview", "claude-opus-4-20250514", "mistral-large-2512",
     "deepseek-r1-distill-llama-70b", "nemotron-3-ultra", "text-embedding-3-small"],
)  # fmt: skip
def test_sizes_and_dates_are_no_generations(name: str) -> None:
    assert plain_name(name) == name


@pytest.mark.parametrize(
    ("model", "window", "output"),
    [
        ("gpt-4-turbo", 128_000, 4_096),
        ("gpt-5-chat-latest", 128_000, 16_384),
        ("gpt-5.2", 400_000, 128_000),
        ("gpt-5.4", 1_050_000, 128_000),
        ("gpt-5.4-mini", 400_000, 128_000),
        ("gpt-6-luna", 1_050_000, 128_000),
        ("claude-haiku-4-5-20251001", 200_000, 64_000),
        ("claude-haiku-5-5", 1_000_000, 128_000),
        ("claude-opus-4-1", 200_000, 32_000),
        ("gemini-4-argon", 1_048_576, 65_536),
        ("gemini-flash-latest", 1_048_576, 65_536),
        ("deepseek-v4-flash", 1_000_000, 384_000),
        ("deepseek-v3.2", 131_072, None),
        ("kimi-k2-0711-preview", 131_072, 16_384),
        ("kimi-k2.6", 262_144, None),
        ("kimi-k3.1-pro", 1_048_576, None),
        ("glm-4.5-air", 131_072, 98_304),
        ("glm-4.6v-flash", 128_000, 32_768),
        ("glm-5.3-flash", 1_048_576, 131_072),
        ("minimax-m2.7", 204_800, 131_072),
        ("minimax-m3", 1_000_000, 128_000),
        ("qwen3-max", 262_144, 65_536),
        ("qwen3.7-plus", 1_000_000, 65_536),
        ("qwen3.6-27b", 262_144, 65_536),
        ("mistral-large-2512", 262_144, None),
        ("grok-4.1-fast", 2_000_000, None),
        ("grok-4.5", 500_000, None),
    ],
)
def test_windows_and_limits_of_known_models(model: str, window: int, output: int | None) -> None:
    found = TABLE.capabilities(model)
    assert (found.context_window, found.max_output_tokens) == (window, output)


def test_every_family_has_a_window() -> None:
    names = (
        "gpt-4 o3 claude-sonnet-5 gemini-3.6-flash deepseek-chat kimi-k2 moonshot-v1-32k "
        "glm-4-plus qwen-plus qwq-32b minimax-m1 magistral-medium-latest codestral-latest grok-3 "
        "gpt-oss-20b"
    )
    for name in names.split():
        assert TABLE.capabilities(name).context_window, name


def test_rule_can_give_names_a_generation() -> None:
    own = parse_rules(
        '[[model]]\nmatch = ["fast-latest"]\ngeneration = "3.8"\n'
        '[[model]]\nmatch = ["fast-*"]\nfrom = "3.5"\nprefill = false\n',
        "own.toml",
    )
    table = CapabilityTable((), own)
    assert not table.capabilities("fast-latest").prefill
    assert table.capabilities("fast-other").prefill
    assert TABLE.capabilities("gemini-flash-latest").requires_signatures
    assert TABLE.capabilities("deepseek-chat").max_output_tokens == 384_000
