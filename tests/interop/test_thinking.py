"""Thinking: asked for in four sdks, shown, signed, and back where it belongs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.interop.samples import WEATHER
from tests.interop.sdk_drivers import Conversation, Mode, Result, SdkDriver
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
NEWER = ("chat", "responses", "anthropic", "genai", "interactions")
CALL = '[[tool get_weather {"city": "Ulm"}]]'
SENTINEL = "skip_thought_signature_validator"


@pytest.mark.sdks(*NEWER)
@pytest.mark.parametrize("target", EVERY, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_thinking_is_returned(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    if native(sdk, target) and target in (ANTHROPIC_BUDGET, GEMINI_BUDGET):
        pytest.skip("passed on as it is, and the model knows budgets only")
    conversation = Conversation(sdk, url, target.model, mode, thinking="high")
    answer = conversation.send("[[think First this, then that.]] [[say So.]]")
    assert answer.thinking == shown(sdk, target, "First this, then that.")
    assert answer.text == "So."
    assert answer.thinking_tokens
    assert answer.output_tokens > (answer.thinking_tokens or 0)


@pytest.mark.sdks("anthropic", "genai")
@pytest.mark.parametrize("target", EVERY, ids=name)
def test_thinking_budget_enables_thinking(url: str, sdk: SdkDriver, target: Target) -> None:
    answer = Conversation(sdk, url, target.model, thinking=2000).send("Why?")
    assert answer.thinking.startswith("Thinking about")
    assert answer.text == "Why?"


@pytest.mark.sdks(*NEWER)
@pytest.mark.parametrize("target", EVERY, ids=name)
def test_thinking_can_be_disabled(url: str, sdk: SdkDriver, target: Target) -> None:
    if sdk.name == "genai" and target.name == "gemini":
        pytest.skip("passed on as it is, to a model that cannot stop")
    if sdk.name == "interactions" and native(sdk, target):
        pytest.skip("passed on as it is, in a protocol that cannot say it")
    answer = Conversation(sdk, url, target.model, thinking="off").send("Why?")
    assert answer.text == "Why?"
    if target.can_stop_thinking:
        assert answer.thinking == ""
        assert not answer.thinking_tokens


@pytest.mark.sdks(*NEWER)
@pytest.mark.parametrize("target", EVERY, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_thinking_is_valid_in_tool_loop(
    url: str, sdk: SdkDriver, target: Target, mode: Mode
) -> None:
    """The upstream refuses thinking that is changed, unsigned or missing where it must be."""
    if native(sdk, target) and target in (ANTHROPIC_BUDGET, GEMINI_BUDGET):
        pytest.skip("passed on as it is, and the model knows budgets only")
    conversation = Conversation(sdk, url, target.model, mode, thinking="high", tools=[WEATHER])
    one = conversation.send(
        f"[[think A plan.]] {CALL} [[then]] [[think More.]] {CALL} [[then]] [[request]]"
    )
    assert one.thinking == shown(sdk, target, "A plan.")
    two = conversation.send_results(Result(one.calls[0], "rain"))
    assert two.thinking == shown(sdk, target, "More.")
    body = json.loads(conversation.send_results(Result(two.calls[0], "snow")).text)
    assert signed(body) == (0 if target.name == "chat" else 2)
    assert SENTINEL not in json.dumps(body)
    assert conversation.send("[[say bye]]").text == "bye"


def shown(sdk: SdkDriver, target: Target, thinking: str) -> str:
    """Return what the client gets to see of some thinking."""
    # Chat has no wish to see any, and Responses shows what is wished for.
    return "" if sdk.name == "chat" and target.name == "responses" else thinking


def signed(value: Any) -> int:
    """Return how many signatures and encrypted thoughts there are in a request's body."""
    names = ("thoughtSignature", "signature", "encrypted_content")
    if isinstance(value, dict):
        mine = sum(1 for each in names if value.get(each))
        return mine + sum(map(signed, value.values()))
    return sum(map(signed, value)) if isinstance(value, list) else 0


@pytest.mark.sdks(*NEWER)
@pytest.mark.parametrize("target", [*TARGETS, CODE_ASSIST_CLAUDE], ids=name)
def test_history_of_other_model_is_accepted(url: str, sdk: SdkDriver, target: Target) -> None:
    """A conversation can go on with any other model: what only one can read stays behind."""
    for other in (*TARGETS, CODE_ASSIST_CLAUDE):
        if other is target or native(sdk, other) or native(sdk, target):
            continue
        conversation = Conversation(sdk, url, other.model, thinking="high", tools=[WEATHER])
        asked = conversation.send(f"[[think A plan.]] {CALL}")
        conversation.model = target.model
        assert "rain" in conversation.send_results(Result(asked.calls[0], "rain")).text
        assert conversation.send("[[say bye]]").text == "bye"
