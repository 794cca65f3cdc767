"""Lists of models, one model, and token counts, in each SDK's own types."""

from __future__ import annotations

import urllib.request
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as genai_errors
from google.genai import types

from tests.interop.anthropic_driver import block
from tests.interop.anthropic_driver import client as anthropic_client
from tests.interop.genai_driver import client as genai_client
from tests.interop.openai_chat_driver import client as openai_client
from tests.interop.openai_responses_driver import image_part
from tests.interop.samples import HARD, PDF, PNG, WEATHER
from tests.interop.sdk_drivers import Conversation
from tests.interop.targets import CHAT, EVERY, INTERACTIONS, RESPONSES, Target, name

SOURCE = "x-token-count-source"
SERVED = ("gpt-5.1", "claude-sonnet-4-6", "gemini-3-pro-preview")


def test_openai_model_list(url: str) -> None:
    models = list(openai_client(url).models.list())
    assert {model.object for model in models} == {"model"}
    assert set(SERVED) <= {model.id for model in models}
    assert len({model.id for model in models}) == len(models)


def test_anthropic_model_list(url: str) -> None:
    models = list(anthropic_client(url).models.list(limit=5))  # the SDK asks for page after page
    assert {model.type for model in models} == {"model"}
    assert set(SERVED) <= {model.id for model in models}
    assert all(model.display_name and model.created_at for model in models)
    assert len({model.id for model in models}) == len(models)


@pytest.mark.parametrize("version", ["", "v1", "v1beta"])
def test_gemini_model_list(url: str, version: str) -> None:
    models = list(genai_client(url, version).models.list(config={"page_size": 7}))
    names = [model.name or "" for model in models]
    assert {f"models/{each}" for each in SERVED} <= set(names)
    assert len(set(names)) == len(names)
    assert all(model.supported_actions for model in models)


@pytest.mark.parametrize("model", SERVED)
def test_single_model_is_retrieved(url: str, model: str) -> None:
    assert openai_client(url).models.retrieve(model).id == model
    assert anthropic_client(url).models.retrieve(model).id == model
    for asked in (model, f"models/{model}"):
        assert genai_client(url).models.get(model=asked).name == f"models/{model}"


def test_missing_model_is_404(url: str) -> None:
    with pytest.raises(openai.NotFoundError):
        openai_client(url).models.retrieve("no-such-model")
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client(url).models.retrieve("no-such-model")
    with pytest.raises(genai_errors.ClientError) as caught:
        genai_client(url).models.get(model="no-such-model")
    assert caught.value.code == 404


def test_older_gemini_sdk_lists_and_counts(url: str) -> None:
    calls = pytest.importorskip("tests.interop.generativeai_driver")
    calls.connect(url)
    names = {model.name for model in calls.sdk.list_models()}
    assert {f"models/{each}" for each in SERVED} <= names
    model = calls.sdk.get_model("models/gemini-3-pro-preview")
    assert model.input_token_limit > 100_000
    few = calls.sdk.GenerativeModel(calls.name_of(CHAT.model)).count_tokens("one two three four")
    assert few.total_tokens > 1


def counted(url: str, content: Any, target: Target, **more: Any) -> tuple[int, str]:
    """Return what the Anthropic SDK is told, and who counted."""
    messages = [{"role": "user", "content": content}]
    raw = anthropic_client(url).messages.with_raw_response.count_tokens(
        model=target.model, messages=messages, **more
    )
    return raw.parse().input_tokens, raw.headers[SOURCE]


@pytest.mark.parametrize("target", EVERY, ids=name)
def test_anthropic_token_count(url: str, target: Target) -> None:
    few, source = counted(url, "one two three", target)
    assert few > 0
    # OpenAI can count, but most who speak its protocols cannot; Interactions have no count.
    estimated = target in (CHAT, RESPONSES, INTERACTIONS)
    assert source == ("estimate" if estimated else "upstream")
    tool = {"name": WEATHER.name, "description": "x", "input_schema": HARD.schema}
    tools, _ = counted(url, "one two three", target, tools=[tool])
    assert tools > few + 50
    system, _ = counted(url, "one two three", target, system="word " * 100)
    assert system > few + 50
    parts = [{"type": "text", "text": "one two three"}, block(PNG), block(PDF)]
    media, _ = counted(url, parts, target)
    assert media > few + 200


@pytest.mark.parametrize("target", EVERY, ids=name)
def test_gemini_token_count(url: str, target: Target) -> None:
    models = genai_client(url).models
    few = models.count_tokens(model=target.model, contents="one two three").total_tokens or 0
    assert few > 0
    image = types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n" + b"0" * 99, mime_type="image/png")
    more: Any = [types.UserContent(["one two three", image])]
    assert (models.count_tokens(model=target.model, contents=more).total_tokens or 0) > few + 200


@pytest.mark.parametrize("target", EVERY, ids=name)
def test_responses_token_count(url: str, target: Target) -> None:
    count = openai_client(url).responses.input_tokens.count
    few = count(model=target.model, input="one two three").input_tokens
    assert few > 0
    parts: Any = [{"type": "input_text", "text": "one two three"}, image_part(PNG)]
    more: Any = [{"role": "user", "content": parts}]
    assert count(model=target.model, input=more).input_tokens > few + 200


@pytest.mark.parametrize("target", EVERY, ids=name)
def test_token_count_is_near_usage(url: str, target: Target) -> None:
    from tests.interop.anthropic_driver import Messages

    text = "[[say one]] " + "all work and no play " * 20
    count, _ = counted(url, text, target)
    charged = Conversation(Messages(), url, target.model).send(text).input_tokens
    assert charged * 0.5 <= count <= charged * 2


def test_health_endpoint(url: str) -> None:
    with urllib.request.urlopen(f"{url}/healthz") as answer:
        assert answer.read() == b'{"status":"ok"}'
