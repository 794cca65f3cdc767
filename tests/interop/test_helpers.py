"""What the SDKs put on top of their calls: parsing, accumulating, chats, tools that run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types
from pydantic import BaseModel

from tests.interop.anthropic_driver import SEARCH
from tests.interop.anthropic_driver import client as anthropic_client
from tests.interop.genai_driver import client as genai_client
from tests.interop.openai_chat_driver import client as openai_client
from tests.interop.samples import FORM
from tests.interop.targets import CHAT, TARGETS, Target, name

TALK = "[[say one two three four five six]] [[chunks 6]]"
SAID = "one two three four five six"


class Form(BaseModel):
    """What every parser is asked to make of an answer."""

    answer: str
    sure: bool
    steps: list[int]


class Weather(BaseModel):
    """The arguments of a tool."""

    city: str


@pytest.fixture(params=TARGETS, ids=name)
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.param
    return found


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_openai_chat_parse(url: str, target: Target) -> None:
    completion = openai_client(url).chat.completions.parse(
        model=target.model, messages=user("Fill it in."), response_format=Form
    )
    assert isinstance(completion.choices[0].message.parsed, Form)


def test_openai_chat_stream(url: str, target: Target) -> None:
    import openai

    tool = openai.pydantic_function_tool(Weather, name="weather")
    seen: list[str] = []
    with openai_client(url).chat.completions.stream(
        model=target.model,
        messages=user('[[say Look.]] [[tool weather {"city": "Ulm"}]]'),
        tools=[tool],
        stream_options={"include_usage": True},
    ) as stream:
        seen.extend(event.type for event in stream)
        final = stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls or []
    assert call.function.parsed_arguments == Weather(city="Ulm")
    assert {"content.delta", "content.done"} <= set(seen)
    assert "tool_calls.function.arguments.done" in seen
    assert final.usage is not None


def test_openai_chat_chunks(url: str, target: Target) -> None:
    """No usage that nobody asked for; a role first, a reason last."""
    create = openai_client(url).chat.completions.create
    chunks = list(create(model=target.model, messages=user(TALK), stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons[-1] == "stop"
    assert set(reasons[:-1]) == {None}
    assert len({chunk.id for chunk in chunks}) == 1
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID


def test_openai_responses_parse(url: str, target: Target) -> None:
    parse = openai_client(url).responses.parse
    response = parse(model=target.model, input="Fill it in.", text_format=Form)
    assert isinstance(response.output_parsed, Form)


def test_openai_responses_stream(url: str, target: Target) -> None:
    with openai_client(url).responses.stream(
        model=target.model,
        input=f"[[think Hm.]] {TALK}",
        reasoning={"effort": "high", "summary": "auto"},
    ) as stream:
        events = list(stream)
        final = stream.get_final_response()
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    added = kinds.count("response.output_item.added")
    assert added == kinds.count("response.output_item.done") == len(final.output)
    assert "response.reasoning_summary_text.delta" in kinds
    assert kinds.index("response.output_text.delta") < kinds.index("response.output_text.done")
    assert final.output_text == SAID


@pytest.mark.parametrize("stream", [False, True])
def test_openai_stored_conversations(url: str, target: Target, stream: bool) -> None:
    """``previous_response_id`` goes on from what the gateway keeps."""
    responses = openai_client(url).responses

    def ask(**settings: Any) -> Any:
        if not stream:
            return responses.create(model=target.model, **settings)
        for event in responses.create(model=target.model, stream=True, **settings):
            final = getattr(event, "response", None)
        return final

    tool: Any = {"type": "function", "name": "now", "parameters": {"type": "object"}}
    one = ask(input="[[tool now {}]]", tools=[tool])
    [call] = [item for item in one.output if item.type == "function_call"]
    given = {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
    two = ask(input=[given], previous_response_id=one.id, tools=[tool])
    assert "noon" in two.output_text
    assert two.previous_response_id == one.id
    three = ask(input="[[say bye]]", previous_response_id=two.id, tools=[tool])
    assert three.output_text == "bye"
    assert three.usage.input_tokens > two.usage.input_tokens  # all of it has come along


def test_openai_completions(url: str, target: Target) -> None:
    create = openai_client(url).completions.create
    whole = create(model=target.model, prompt="[[say one STOP two]]", stop=["STOP"])
    assert whole.choices[0].text == "one "
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens > 1
    chunks = list(create(model=target.model, prompt=TALK, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == SAID
    assert chunks[-1].choices[0].finish_reason == "stop"
    short = create(model=target.model, prompt="[[tokens 100]]", max_tokens=16)
    assert short.choices[0].finish_reason == "length"


def test_anthropic_parse(url: str, target: Target) -> None:
    message = anthropic_client(url).messages.parse(
        model=target.model, max_tokens=500, messages=user("Fill it in."), output_format=Form
    )
    assert isinstance(message.parsed_output, Form)


def test_anthropic_stream(url: str, target: Target) -> None:
    with anthropic_client(url).messages.stream(
        model=target.model,
        max_tokens=5000,
        messages=user(f"[[think Hm.]] {TALK}"),
        thinking={"type": "adaptive"},
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert kinds.count("content_block_start") == kinds.count("content_block_stop")
    assert kinds.count("content_block_start") == len(final.content)
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.usage.input_tokens > 0
    with anthropic_client(url).messages.stream(
        model=target.model, max_tokens=500, messages=user(TALK)
    ) as texts:
        assert "".join(texts.text_stream) == SAID


def test_anthropic_web_search(url: str, target: Target) -> None:
    messages = user("[[cite]]")
    create = anthropic_client(url).messages.create
    found = create(model=target.model, max_tokens=500, messages=messages, tools=[SEARCH])
    blocks = {block.type: block for block in found.content}
    if target is not CHAT:  # which tells sources, but of no search
        result: Any = blocks["web_search_tool_result"]
        assert blocks["server_tool_use"].id == result.tool_use_id  # type: ignore[union-attr]
        urls = {each.url for each in result.content}
        assert urls == {"https://example.com/zurich", "https://example.org/cafe"}
        assert found.usage.server_tool_use is not None
    # What was found goes back with the history.
    messages += [{"role": "assistant", "content": found.content}, *user("[[say bye]]")]
    again = create(model=target.model, max_tokens=500, messages=messages, tools=[SEARCH])
    assert again.content[-1].text == "bye"  # type: ignore[union-attr]


def test_gemini_schemas(url: str, target: Target) -> None:
    generate = genai_client(url).models.generate_content
    shape: Any
    for shape in ({"response_schema": Form}, {"response_json_schema": FORM}):
        settings = {"response_mime_type": "application/json", **shape}
        response = generate(model=target.model, contents="Fill it in.", config=settings)
        assert set(json.loads(response.text or "")) == {"answer", "sure", "steps"}
        if "response_schema" in shape:
            assert isinstance(response.parsed, Form)


def test_gemini_chats(url: str, target: Target) -> None:
    chat = genai_client(url).chats.create(model=target.model)
    assert chat.send_message("[[say one]]").text == "one"
    parts = [chunk.text or "" for chunk in chat.send_message_stream(TALK)]
    assert "".join(parts) == SAID
    assert len([part for part in parts if part]) > 1
    body = chat.send_message("[[request]]").text or ""
    assert "one two three" in body


def test_gemini_runs_tools(url: str, target: Target) -> None:
    """Functions that the SDK calls by itself, with the answer in one more request."""
    asked: list[tuple[str, int]] = []

    def get_weather(city: str, days: int = 1) -> str:
        """Return the weather of a city."""
        asked.append((city, days))
        return f"{city} is sunny"

    settings = types.GenerateContentConfig(tools=[get_weather])
    prompt = '[[tool get_weather {"city": "Ulm", "days": 2}]]'
    chat = genai_client(url).chats.create(model=target.model, config=settings)
    assert "Ulm is sunny" in (chat.send_message(prompt).text or "")
    assert asked == [("Ulm", 2)]
    assert chat.send_message("[[say bye]]").text == "bye"


def test_older_gemini_sdk_chats(url: str, target: Target) -> None:
    calls = pytest.importorskip("tests.interop.generativeai_driver")
    calls.connect(url)

    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        return f"{city} is sunny"

    model = calls.sdk.GenerativeModel(calls.name_of(target.model), tools=[get_weather])
    chat = model.start_chat(enable_automatic_function_calling=True)
    assert "Ulm is sunny" in chat.send_message('[[tool get_weather {"city": "Ulm"}]]').text
    plain = calls.sdk.GenerativeModel(calls.name_of(target.model)).start_chat()
    assert "".join(part.text for part in plain.send_message(TALK, stream=True)) == SAID
    assert "one two three" in plain.send_message("[[request]]").text
