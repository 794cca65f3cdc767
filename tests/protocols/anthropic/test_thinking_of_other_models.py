"""Thinking of models of others behind Anthropic's protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, ThinkingConfig
from antigravity.protocols.anthropic.client_request import encode_request
from antigravity.routing.capability_table import load_table

TABLE = load_table([])


def sent(model: str, thinking: ThinkingConfig) -> dict[str, Any]:
    asked = Request(
        model,
        (Message("user", (Text("hi"),)),),
        "openai_chat",
        thinking=thinking,
        max_output_tokens=64_000,
    )
    body = json.loads(encode_request(asked, Target(model, TABLE.capabilities(model))).body)
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("model", ["deepseek-v4-pro", "kimi-k3", "glm-4.7", "kimi-k2.6"])
def test_other_models_get_thinking_budget_not_adaptive_thinking(model: str) -> None:
    thinking = sent(model, ThinkingConfig("on", effort="high"))["thinking"]
    assert thinking["type"] == "enabled"
    assert thinking["budget_tokens"] >= 1024


@pytest.mark.parametrize(
    ("model", "effort"), [("deepseek-v4-pro", "max"), ("kimi-k3", "max"), ("glm-4.7", None)]
)
def test_effort_is_sent_only_to_models_that_support_it(model: str, effort: str | None) -> None:
    config = sent(model, ThinkingConfig("on", effort="max")).get("output_config", {})
    assert config.get("effort") == effort


def test_disabled_thinking_is_not_sent_to_models_that_always_think() -> None:
    assert sent("deepseek-v4-pro", ThinkingConfig("off"))["thinking"] == {"type": "disabled"}
    assert "thinking" not in sent("kimi-k3", ThinkingConfig("off"))
    assert "thinking" not in sent("glm-5.3", ThinkingConfig("off"))
