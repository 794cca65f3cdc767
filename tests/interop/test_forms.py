"""Structured output, several choices, log probabilities, and what is found on the web."""

from __future__ import annotations

import json

import pytest

from tests.interop.samples import FORM, WEATHER
from tests.interop.sdk_drivers import Conversation, Mode, SdkDriver
from tests.interop.targets import EVERY, TARGETS, Target, name

MODES: tuple[Mode, ...] = ("whole", "stream")
FILLED = {"answer": "forty-two", "sure": True, "steps": [1, 2, 3]}


@pytest.mark.sdks("chat", "responses", "anthropic", "genai", "interactions")
@pytest.mark.parametrize("target", EVERY, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_response_schema_is_honoured(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    conversation = Conversation(sdk, url, target.model, mode, schema=FORM)
    given = conversation.send("Fill it in.")
    found = json.loads(given.text)
    assert set(found) == {"answer", "sure", "steps"}
    assert isinstance(found["sure"], bool)
    assert given.finish == "stop"
    assert json.loads(conversation.send(f"[[json {json.dumps(FILLED)}]]").text) == FILLED


@pytest.mark.sdks("chat", "responses", "anthropic", "genai", "interactions")
@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_response_schema_and_tools_together(url: str, sdk: SdkDriver, target: Target) -> None:
    conversation = Conversation(sdk, url, target.model, schema=FORM, tools=[WEATHER])
    asked = conversation.send('[[tool get_weather {"city": "Ulm"}]]')
    assert [call.name for call in asked.calls] == ["get_weather"]
    assert asked.finish == "tools"


@pytest.mark.sdks("chat", "genai", "generativeai")
@pytest.mark.parametrize(
    "target", [each for each in TARGETS if each.name in ("chat", "gemini", "codeassist")], ids=name
)
@pytest.mark.parametrize("mode", MODES)
def test_several_choices_from_native_models(
    url: str, sdk: SdkDriver, target: Target, mode: Mode
) -> None:
    answer = Conversation(sdk, url, target.model, mode, n=2).send("[[say one]]")
    assert answer.choices == ["one", "one (choice 2)"]


@pytest.mark.sdks("chat", "genai")
@pytest.mark.parametrize(
    "target", [each for each in TARGETS if each.name in ("responses", "anthropic")], ids=name
)
@pytest.mark.parametrize("mode", MODES)
def test_several_choices_from_single_choice_models(
    url: str, sdk: SdkDriver, target: Target, mode: Mode
) -> None:
    one = Conversation(sdk, url, target.model, mode).send("[[say one]]")
    answer = Conversation(sdk, url, target.model, mode, n=3).send("[[say one]]")
    assert answer.choices == ["one"] * 3
    assert answer.input_tokens == one.input_tokens
    assert answer.output_tokens == 3 * one.output_tokens


@pytest.mark.sdks("chat", "responses", "genai")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "model",
    [
        "demo-openai-chat/gpt-4.1",
        "demo-openai-responses/gpt-4.1",
        "demo-gemini_api/gemini-2.5-flash",
        "demo-codeassist/gemini-2.5-flash",
    ],
)
def test_log_probabilities_are_returned(url: str, sdk: SdkDriver, model: str, mode: Mode) -> None:
    answer = Conversation(sdk, url, model, mode, logprobs=2).send("[[say one two three]]")
    assert "".join(answer.logprobs) == "one two three"


@pytest.mark.sdks("chat", "responses", "anthropic", "genai", "interactions")
@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_web_search_sources_are_returned(
    url: str, sdk: SdkDriver, target: Target, mode: Mode
) -> None:
    answer = Conversation(sdk, url, target.model, mode, search=True).send("[[cite]]")
    assert answer.text.startswith("Zürich is the largest city of Switzerland.")
    assert answer.sources == ["https://example.com/zurich", "https://example.org/cafe"]
