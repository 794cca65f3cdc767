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
    assert table.is_own("anthropic/claude-opus-5", "max_choices")
    assert table.capabilities("anthropic/claude-opus-5").max_choices == 2
    assert table.capabilities("claude-opus-5-5").max_choices != 2
    assert table.capabilities("claude-opus-4-8").max_choices != 2
    assert table.capabilities("claude-instant").max_choices != 2


def test_generation_bounds_must_be_numbers() -> None:
    with pytest.raises(ValueError, match=r"own\.toml: model rule 1: from and before"):
        parse_rules('[[model]]\nmatch = ["a"]\nfrom = "new"\n', "own.toml")
