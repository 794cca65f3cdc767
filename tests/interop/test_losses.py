"""What cannot be carried is named in a header, and is no failure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.anthropic_driver import client as anthropic_client
from tests.interop.openai_chat_driver import client as openai_client
from tests.interop.targets import ANTHROPIC, CODE_ASSIST, GEMINI, RESPONSES, TARGETS, Target, name

WARNINGS = "x-antigravity-warnings"


def chat_warnings(url: str, target: Target, **settings: Any) -> str:
    raw = openai_client(url).chat.completions.with_raw_response.create(
        model=target.model, messages=[{"role": "user", "content": "[[say one]]"}], **settings
    )
    assert raw.parse().choices[0].message.content == "one"
    return raw.headers.get(WARNINGS, "")


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_plain_request_has_no_losses(url: str, target: Target) -> None:
    assert chat_warnings(url, target) == ""


@pytest.mark.parametrize(
    ("target", "settings", "field"),
    [
        (ANTHROPIC, {"seed": 1}, "seed"),
        (RESPONSES, {"seed": 1}, "seed"),
        (ANTHROPIC, {"logprobs": True}, "logprobs"),
        (ANTHROPIC, {"frequency_penalty": 0.5}, "frequency_penalty"),
        (GEMINI, {"verbosity": "low"}, "verbosity"),
        (GEMINI, {"reasoning_effort": "none"}, "thinking"),
        (CODE_ASSIST, {"reasoning_effort": "none"}, "thinking"),
        (ANTHROPIC, {"logit_bias": {"5": 1}}, "logit_bias"),
        (GEMINI, {"logit_bias": {"5": 1}}, "logit_bias"),
        (CODE_ASSIST, {"prediction": {"type": "content", "content": "x"}}, "prediction"),
    ],
    ids=str,
)
def test_lost_setting_is_named(
    url: str, target: Target, settings: dict[str, Any], field: str
) -> None:
    assert field in chat_warnings(url, target, **settings)


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_serving_upstream_is_named(url: str, target: Target) -> None:
    raw = anthropic_client(url).messages.with_raw_response.create(
        model=target.model, max_tokens=99, messages=[{"role": "user", "content": "Hello?"}]
    )
    assert raw.headers["x-mapped-model"].endswith(target.bare_model)
    assert raw.headers["x-request-id"]
