"""Text in, text out: every SDK over every upstream, whole and streamed."""

from __future__ import annotations

import pytest

from tests.interop.sdk_drivers import Conversation, Mode, SdkDriver
from tests.interop.targets import EVERY, TARGETS, Target, name

MODES: tuple[Mode, ...] = ("whole", "stream")
LONG = "The quick brown fox jumps over the lazy dog. Ünïcödé and 日本語 and 🦊 survive, too."


@pytest.fixture(params=EVERY, ids=name)
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.param
    return found


@pytest.mark.parametrize("mode", MODES)
def test_response_is_complete(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    answer = Conversation(sdk, url, target.model, mode).send(f"[[say {LONG}]] [[chunks 7]]")
    assert answer.text == LONG
    assert answer.finish == "stop"
    assert answer.calls == []


@pytest.mark.parametrize("mode", MODES)
def test_usage_is_counted(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    answer = Conversation(sdk, url, target.model, mode).send(f"[[say {LONG}]]")
    assert answer.input_tokens > 0
    assert answer.output_tokens >= len(LONG) // 4
    assert answer.total_tokens == answer.input_tokens + answer.output_tokens


@pytest.mark.parametrize("mode", MODES)
def test_system_prompt_reaches_model(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    conversation = Conversation(sdk, url, target.model, mode, system="Talk like a pirate.")
    assert conversation.send("[[system]]").text == "Talk like a pirate."


def test_conversation_continues(url: str, sdk: SdkDriver, target: Target) -> None:
    conversation = Conversation(sdk, url, target.model)
    conversation.send("[[say one]]")
    conversation.send("[[say two]]")
    body = conversation.send("[[request]]").text
    said = ['"[[say one]]"', '"[[say two]]"', '"[[request]]"']  # thoughts cite them without quotes
    places = [body.index(each) for each in said]
    assert places == sorted(places)
    assert body.count(said[0]) == 1


@pytest.mark.parametrize("mode", MODES)
def test_output_limit_ends_response(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    conversation = Conversation(sdk, url, target.model, mode, max_tokens=16)
    answer = conversation.send("[[tokens 100]]")
    assert answer.finish == "length"
    assert len(answer.text) <= 16 * 4


@pytest.mark.sdks("chat", "anthropic", "genai", "interactions", "generativeai")
@pytest.mark.parametrize("mode", MODES)
def test_stop_sequence_ends_response(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    conversation = Conversation(sdk, url, target.model, mode, stop=["STOP"])
    answer = conversation.send("[[say before the STOP after]] [[chunks 9]]")
    assert answer.text == "before the "
    assert answer.finish == "stop"


@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_content_filter_is_reported(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    word = "SAFETY" if target.name in ("gemini", "codeassist") else "content_filter"
    answer = Conversation(sdk, url, target.model, mode).send(f"[[say No.]] [[finish {word}]]")
    assert answer.finish == "filter"
