"""Tools: calls come, results go back, whatever the names and schemas look like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.interop.samples import HARD, PNG, SEEN_PNG, TIME, WEATHER
from tests.interop.sdk_drivers import Conversation, Mode, Result, SdkDriver
from tests.interop.targets import EVERY, GEMINI, TARGETS, Target, name, native

MODES: tuple[Mode, ...] = ("whole", "stream")
TOKYO = '[[tool get_weather {"city": "Tōkyō", "days": 3}]]'


@pytest.mark.parametrize("target", EVERY, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_tool_call_and_result(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    conversation = Conversation(sdk, url, target.model, mode, tools=[WEATHER, TIME])
    asked = conversation.send(f"Weather? {TOKYO}")
    assert asked.finish == "tools"
    [call] = asked.calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Tōkyō", "days": 3})
    told = conversation.send_results(Result(call, "sunny, 21 °C"))
    assert "sunny, 21 °C" in told.text
    assert told.finish == "stop"
    assert told.calls == []
    # Later turns carry the whole history, with its calls and results.
    assert conversation.send("[[say bye]]").text == "bye"


@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_equal_parallel_calls_have_own_results(
    url: str, sdk: SdkDriver, target: Target, mode: Mode
) -> None:
    conversation = Conversation(sdk, url, target.model, mode, tools=[WEATHER])
    asked = conversation.send(f"{TOKYO} {TOKYO}")
    assert [call.arguments["city"] for call in asked.calls] == ["Tōkyō", "Tōkyō"]
    first, second = asked.calls
    if first.id:  # the older Gemini SDK has no ids
        assert first.id != second.id
    told = conversation.send_results(Result(first, "result-one"), Result(second, "result-two"))
    assert told.text.index("result-one") < told.text.index("result-two")


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_text_and_several_tool_rounds(url: str, sdk: SdkDriver, target: Target) -> None:
    conversation = Conversation(sdk, url, target.model, "stream", tools=[WEATHER, TIME])
    prompt = f'[[say Let me look.]] {TOKYO} [[then]] [[tool get_time {{"zone": "JST"}}]]'
    one = conversation.send(prompt)
    assert one.text == "Let me look."
    two = conversation.send_results(Result(one.calls[0], "rain"))
    assert [call.name for call in two.calls] == ["get_time"]
    three = conversation.send_results(Result(two.calls[0], "noon"))
    assert "noon" in three.text


@pytest.mark.parametrize("target", EVERY, ids=name)
@pytest.mark.parametrize("choice", ["any", "get_time"])
def test_forced_tool_is_called(url: str, sdk: SdkDriver, target: Target, choice: str) -> None:
    conversation = Conversation(sdk, url, target.model, tools=[WEATHER, TIME], choice=choice)
    [call] = conversation.send("Just say something.").calls
    # Any of them will do: functions may go up in another order.
    assert call.name == choice if choice != "any" else call.name in ("get_weather", "get_time")


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_choice_none_prevents_calls(url: str, sdk: SdkDriver, target: Target) -> None:
    conversation = Conversation(sdk, url, target.model, tools=[WEATHER], choice="none")
    answer = conversation.send("What is the weather?")
    assert answer.calls == []
    assert answer.text


@pytest.mark.sdks("chat", "responses", "anthropic")
@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_parallel_false_limits_calls(url: str, sdk: SdkDriver, target: Target, mode: Mode) -> None:
    conversation = Conversation(sdk, url, target.model, mode, tools=[WEATHER], parallel=False)
    asked = conversation.send(f"{TOKYO} {TOKYO}")
    assert len(asked.calls) == 1
    assert asked.finish == "tools"
    assert "fine" in conversation.send_results(Result(asked.calls[0], "fine")).text


@pytest.mark.sdks("chat", "responses", "anthropic", "genai", "interactions")
@pytest.mark.parametrize("target", EVERY, ids=name)
def test_long_names_and_references_are_restored(url: str, sdk: SdkDriver, target: Target) -> None:
    """Names that are too long and schemas with references come back as the client knows them."""
    if native(sdk, target):
        pytest.skip("passed on as it is, and the upstream refuses such a name")
    conversation = Conversation(sdk, url, target.model, tools=[HARD, WEATHER])
    arguments: dict[str, Any] = {"place": {"city": "Ulm"}, "kind": "forecast", "type": "x"}
    asked = conversation.send(f"[[tool {HARD.name} {json.dumps(arguments)}]]")
    [call] = asked.calls
    assert call.name == HARD.name
    assert call.arguments == arguments
    assert "done" in conversation.send_results(Result(call, "done")).text


@pytest.mark.sdks("chat", "responses", "anthropic", "genai", "interactions")
@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_image_in_tool_result(url: str, sdk: SdkDriver, target: Target) -> None:
    if sdk.name == target.name == "chat":
        pytest.skip("passed on as it is, and OpenAI takes text only")
    conversation = Conversation(sdk, url, target.model, tools=[WEATHER])
    asked = conversation.send(TOKYO)
    told = conversation.send_results(Result(asked.calls[0], "see the picture", PNG))
    assert "see the picture" in told.text
    assert SEEN_PNG in told.text


def test_call_without_arguments_has_empty_object(url: str, sdk: SdkDriver) -> None:
    conversation = Conversation(sdk, url, GEMINI.model, "stream", tools=[TIME])
    asked = conversation.send("[[tool get_time {}]]")
    assert [call.arguments for call in asked.calls] == [{}]
    assert "now" in conversation.send_results(Result(asked.calls[0], "now")).text
