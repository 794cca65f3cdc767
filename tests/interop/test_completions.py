"""Legacy completions with OpenAI's own SDK: over chat models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.interop.targets import TARGETS, Target, name


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_several_prompts_get_several_choices(client: OpenAI, target: Target) -> None:
    prompts = ["[[say one]]", "[[say two]]", "[[say three]]"]
    answer = client.completions.create(model=target.model, prompt=prompts, n=2)
    texts = [choice.text.removesuffix(" (choice 2)") for choice in answer.choices]
    assert texts == ["one", "one", "two", "two", "three", "three"]
    assert [choice.index for choice in answer.choices] == list(range(6))
    assert {choice.finish_reason for choice in answer.choices} == {"stop"}
    single = [client.completions.create(model=target.model, prompt=each) for each in prompts]
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == sum(s.usage.prompt_tokens for s in single if s.usage)


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_several_prompts_are_streamed(client: OpenAI, target: Target) -> None:
    stream = client.completions.create(
        model=target.model,
        prompt=["[[say one]]", "[[say two]]"],
        stream=True,
        echo=True,
        stream_options={"include_usage": True},
    )
    texts = {0: "", 1: ""}
    usage = None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == {0: "[[say one]]one", 1: "[[say two]]two"}
    assert usage is not None
    assert usage.completion_tokens > 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"echo": True, "logprobs": 2}, "echo"),
    ],
    ids=str,
)
def test_chat_model_rejects_unsupported_completions_fields(
    client: OpenAI, fields: Any, param: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.completions.create(model="demo-openai/gpt-4.1", **{"prompt": "x", **fields})
    assert caught.value.param == param
    assert "apis" in caught.value.message
