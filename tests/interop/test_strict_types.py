"""Responses satisfy the SDKs' own types when these are checked strictly."""

from __future__ import annotations

import functools
from typing import Any

import anthropic
import openai
import pytest

from tests.interop.targets import TARGETS, Target, name

MESSAGES: list[Any] = [{"role": "user", "content": "[[think hm]] [[say Hello]]"}]
CALLING: list[Any] = [{"role": "user", "content": '[[tool look {"at": 1}]]'}]
SCHEMA = {"type": "object", "properties": {"at": {"type": "integer"}}}
PROMPTS = pytest.mark.parametrize("messages", [MESSAGES, CALLING], ids=["text", "call"])
EVERY = pytest.mark.parametrize("target", TARGETS, ids=name)


@functools.cache
def strict_openai(url: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{url}/v1", api_key="sk", max_retries=0, _strict_response_validation=True
    )


@functools.cache
def strict_anthropic(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=url, api_key="sk", max_retries=0, _strict_response_validation=True
    )


@PROMPTS
@EVERY
def test_responses_match_sdk_types(url: str, target: Target, messages: list[Any]) -> None:
    client = strict_openai(url).responses
    create: Any = client.create
    tools = [{"type": "function", "name": "look", "parameters": SCHEMA, "strict": False}]
    asked = {"model": target.model, "input": messages, "tools": tools}
    whole = create(**asked)
    assert whole.status == "completed"
    assert list(create(**asked, stream=True))[-1].type == "response.completed"
    assert client.retrieve(whole.id).id == whole.id


@PROMPTS
@EVERY
def test_chat_completions_match_sdk_types(url: str, target: Target, messages: list[Any]) -> None:
    create: Any = strict_openai(url).chat.completions.create
    tools = [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}]
    asked = {"model": target.model, "messages": messages, "tools": tools}
    whole = create(**asked)
    assert whole.choices[0].finish_reason in ("stop", "tool_calls")
    chunks = list(create(**asked, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage is not None


@PROMPTS
@EVERY
def test_messages_match_sdk_types(url: str, target: Target, messages: list[Any]) -> None:
    create: Any = strict_anthropic(url).messages.create
    tools = [{"name": "look", "input_schema": SCHEMA}]
    asked = {"model": target.model, "messages": messages, "tools": tools, "max_tokens": 99}
    whole = create(**asked)
    assert whole.stop_reason in ("end_turn", "tool_use")
    assert list(create(**asked, stream=True))[-1].type == "message_stop"


@pytest.mark.parametrize("stream", [False, True])
def test_images_match_sdk_types(url: str, stream: bool) -> None:
    generate: Any = strict_openai(url).images.generate
    found = generate(model="gemini-2.5-flash-image", prompt="[[image]]", stream=stream)
    image = list(found)[-1] if stream else found
    assert (image.background, image.quality) == ("opaque", "low")


def test_models_match_sdk_types(url: str) -> None:
    assert list(strict_openai(url).models.list())
    assert list(strict_anthropic(url).models.list())
