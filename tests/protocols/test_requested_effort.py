"""The effort for the thinking settings of a request is the same in both OpenAI protocols."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.parts import Text
from antigravity.ir.request import Effort, Message, Request, ThinkingConfig
from antigravity.ir.thinking import requested_effort
from tests.support.protocols import CLIENTS, target

CASES: list[tuple[ThinkingConfig, Effort | None]] = [
    (ThinkingConfig(), None),
    (ThinkingConfig("off", budget=5000), "none"),
    (ThinkingConfig("on", budget=-1), None),
    (ThinkingConfig("adaptive", budget=-1), None),
    (ThinkingConfig("on", budget=0), "none"),
    (ThinkingConfig("on", budget=1999), "low"),
    (ThinkingConfig("on", budget=2000), "medium"),
    (ThinkingConfig("on", budget=7000), "high"),
    (ThinkingConfig("adaptive", budget=1, effort="high"), "high"),
]


def sent_effort(protocol: str, thinking: ThinkingConfig) -> str | None:
    request = Request("gpt-5.2", (Message("user", (Text("Hi."),)),), "gemini", thinking=thinking)
    encoded = CLIENTS[protocol].encode(request, target("gpt-5.2"))
    body: dict[str, Any] = json.loads(encoded.body)
    if protocol == "openai_chat":
        return body.get("reasoning_effort")
    return (body.get("reasoning") or {}).get("effort")


@pytest.mark.parametrize(("thinking", "effort"), CASES)
def test_effort_follows_mode_budget_and_effort(
    thinking: ThinkingConfig, effort: Effort | None
) -> None:
    assert requested_effort(thinking) == effort


@pytest.mark.parametrize("protocol", ["openai_chat", "openai_responses"])
@pytest.mark.parametrize(("thinking", "effort"), CASES)
def test_effort_is_sent_to_a_model_that_accepts_all(
    protocol: str, thinking: ThinkingConfig, effort: Effort | None
) -> None:
    assert sent_effort(protocol, thinking) == effort
