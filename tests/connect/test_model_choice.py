"""Which model a client gets, of those that the gateway serves."""

from __future__ import annotations

import pytest

from antigravity.connect.client import ServedModel
from antigravity.connect.clients import CLIENTS
from antigravity.connect.model_choice import choose_models

OPENAI = (
    *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5", "gpt-5-mini", "gpt-5.4-nano"),
    *("gpt-5.1-codex", "gpt-5.1", "o3"),
)


@pytest.mark.parametrize(
    ("client", "served", "first"),
    [
        ("qwen-code", OPENAI, "gpt-5.1"),
        ("qwen-code", ("gpt-5-mini", "gpt-4o-mini"), "gpt-5-mini"),
        ("qwen-code", ("gpt-oss-120b", "gpt-4-0613", "gpt-4o"), "gpt-4o"),
        ("qwen-code", ("openai/gpt-4o", "openai/gpt-5.1", "x/gpt-9"), "openai/gpt-5.1"),
        ("qwen-code", ("claude-haiku-4-5-20251001", "claude-opus-4-8", "gpt-9"), "claude-opus-4-8"),
        ("qwen-code", ("gemini-3.5-flash", "gemini-2.5-pro", "gemini-3.1-pro"), "gemini-3.1-pro"),
        ("qwen-code", ("qwen3-30b", "qwen2.5-72b"), "qwen3-30b"),
        ("qwen-code", ("42",), "42"),
        ("codex", ("claude-opus-4-8", *OPENAI), "gpt-5.1"),
        ("codex", ("gemini-2.5-flash", "gemini-2.5-pro"), "gemini-2.5-pro"),
    ],
)
def test_newest_large_model_comes_first(client: str, served: tuple[str, ...], first: str) -> None:
    choice = choose_models(CLIENTS[client], [ServedModel(name) for name in served])
    names = [each.name for each in choice.models]
    assert names == [first, *(name for name in served if name != first)]


def test_models_with_small_windows_come_last() -> None:
    served = [ServedModel("gpt-5.1", 8_000), ServedModel("gpt-4o", 128_000), ServedModel("x")]
    choice = choose_models(CLIENTS["qwen-code"], served)
    assert [each.name for each in choice.models] == ["gpt-4o", "x", "gpt-5.1"]
    choice = choose_models(CLIENTS["qwen-code"], served[:1])
    assert [each.name for each in choice.models] == ["gpt-5.1"]


def test_number_of_models_is_limited_after_the_choice() -> None:
    served = [ServedModel(f"gpt-4.{number}") for number in range(60)]
    choice = choose_models(CLIENTS["qwen-code"], served, most=3)
    assert [each.name for each in choice.models] == ["gpt-4.59", "gpt-4.0", "gpt-4.1"]


def test_nothing_is_chosen_of_nothing() -> None:
    assert choose_models(CLIENTS["codex"], []).models == ()


def test_named_model_is_used_although_a_better_one_is_served() -> None:
    choice = choose_models(CLIENTS["codex"], list(map(ServedModel, OPENAI)), "gpt-4o")
    assert (choice.models[0].name, choice.selects_model) == ("gpt-4o", True)
