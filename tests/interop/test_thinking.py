"""Thinking: asked for in four dialects, shown, signed, and back where it belongs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.interop.dialect import Dialect, Mode, Result, Talk
from tests.interop.material import WEATHER
from tests.interop.targets import (
    ANTHROPIC_BUDGET,
    CODE_ASSIST_CLAUDE,
    EVERY,
    GEMINI_BUDGET,
    TARGETS,
    Target,
    name,
    native,
)

MODES: tuple[Mode, ...] = ("whole", "stream")
NEWER = ("chat", "responses", "anthropic", "genai")
CALL = '[[tool get_weather {"city": "Ulm"}]]'
SENTINEL = "skip_thought_signature_validator"


@pytest.mark.dialects(*NEWER)
@pytest.mark.parametrize("target", EVERY, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_thinking_is_shown(url: str, dialect: Dialect, target: Target, mode: Mode) -> None:
    if native(dialect, target) and target in (ANTHROPIC_BUDGET, GEMINI_BUDGET):
        pytest.skip("passed on as it is, and the model knows budgets only")
    talk = Talk(dialect, url, target.model, mode, thinking="high")
    answer = talk.say("[[think First this, then that.]] [[say So.]]")
    assert answer.thinking == shown(dialect, target, "First this, then that.")
    assert answer.text == "So."
    assert answer.thinking_tokens
    assert answer.output_tokens > (answer.thinking_tokens or 0)


@pytest.mark.dialects("anthropic", "genai")
@pytest.mark.parametrize("target", EVERY, ids=name)
def test_a_budget_is_as_good_as_an_effort(url: str, dialect: Dialect, target: Target) -> None:
    answer = Talk(dialect, url, target.model, thinking=2000).say("Why?")
    assert answer.thinking.startswith("Thinking about")
    assert answer.text == "Why?"


@pytest.mark.dialects(*NEWER)
@pytest.mark.parametrize("target", EVERY, ids=name)
def test_thinking_can_be_switched_off(url: str, dialect: Dialect, target: Target) -> None:
    if dialect.name == "genai" and target.name == "gemini":
        pytest.skip("passed on as it is, to a model that cannot stop")
    answer = Talk(dialect, url, target.model, thinking="off").say("Why?")
    assert answer.text == "Why?"
    if target.can_stop_thinking:
        assert answer.thinking == ""
        assert not answer.thinking_tokens


@pytest.mark.dialects(*NEWER)
@pytest.mark.parametrize("target", EVERY, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_thinking_survives_rounds_of_tools(
    url: str, dialect: Dialect, target: Target, mode: Mode
) -> None:
    """The upstream refuses thinking that is changed, unsigned or missing where it must be."""
    if native(dialect, target) and target in (ANTHROPIC_BUDGET, GEMINI_BUDGET):
        pytest.skip("passed on as it is, and the model knows budgets only")
    talk = Talk(dialect, url, target.model, mode, thinking="high", tools=[WEATHER])
    one = talk.say(f"[[think A plan.]] {CALL} [[then]] [[think More.]] {CALL} [[then]] [[request]]")
    assert one.thinking == shown(dialect, target, "A plan.")
    two = talk.give(Result(one.calls[0], "rain"))
    assert two.thinking == shown(dialect, target, "More.")
    body = json.loads(talk.give(Result(two.calls[0], "snow")).text)
    assert signed(body) == (0 if target.name == "chat" else 2)
    assert SENTINEL not in json.dumps(body)
    assert talk.say("[[say bye]]").text == "bye"


def shown(dialect: Dialect, target: Target, thinking: str) -> str:
    """Return what the client gets to see of some thinking."""
    # Chat has no wish to see any, and Responses shows what is wished for.
    return "" if dialect.name == "chat" and target.name == "responses" else thinking


def signed(value: Any) -> int:
    """Return how many signatures and encrypted thoughts there are in a request's body."""
    names = ("thoughtSignature", "signature", "encrypted_content")
    if isinstance(value, dict):
        mine = sum(1 for each in names if value.get(each))
        return mine + sum(map(signed, value.values()))
    return sum(map(signed, value)) if isinstance(value, list) else 0


@pytest.mark.dialects(*NEWER)
@pytest.mark.parametrize("target", [*TARGETS, CODE_ASSIST_CLAUDE], ids=name)
def test_a_history_of_another_model_is_understood(
    url: str, dialect: Dialect, target: Target
) -> None:
    """A conversation can go on with any other model: what only one can read stays behind."""
    for other in (*TARGETS, CODE_ASSIST_CLAUDE):
        if other is target or native(dialect, other) or native(dialect, target):
            continue
        talk = Talk(dialect, url, other.model, thinking="high", tools=[WEATHER])
        asked = talk.say(f"[[think A plan.]] {CALL}")
        talk.model = target.model
        assert "rain" in talk.give(Result(asked.calls[0], "rain")).text
        assert talk.say("[[say bye]]").text == "bye"
