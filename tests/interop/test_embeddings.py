"""Vectors through the official SDKs, each over both kinds of upstream."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import openai
import pytest
from google.genai import errors as genai_errors
from google.genai import types

from tests.interop.genai_driver import client as genai_client
from tests.interop.genai_driver import part
from tests.interop.openai_chat_driver import client as openai_client
from tests.interop.samples import PNG
from tests.interop.targets import Target, fresh, name

OPENAI = Target("openai", "demo-openai", "text-embedding-3-small")
LARGE = Target("openai-large", "demo-openai-chat", "text-embedding-3-large")
GEMINI = Target("gemini", "demo-gemini_api", "gemini-embedding-001")
GEMINI_2 = Target("gemini-2", "demo-gemini_api", "gemini-embedding-2")
TARGETS = (OPENAI, LARGE, GEMINI, GEMINI_2)
#: How long a vector is, if nobody says so.
SIZES = {OPENAI: 1536, LARGE: 3072, GEMINI: 3072, GEMINI_2: 3072}
TEXTS = ["The king rides.", "Der König reitet.", "왕이 말을 탄다"]

Ask = Callable[[str, Target, list[str], int | None], list[list[float]]]
every_target = pytest.mark.parametrize("target", TARGETS, ids=name)


def by_openai(url: str, target: Target, texts: list[str], size: int | None) -> list[list[float]]:
    more: Any = {} if size is None else {"dimensions": size}
    made = openai_client(url).embeddings.create(model=target.model, input=texts, **more)
    assert [each.index for each in made.data] == list(range(len(texts)))
    assert made.usage.prompt_tokens == made.usage.total_tokens > 0
    return [each.embedding for each in made.data]


def by_openai_as_numbers(
    url: str, target: Target, texts: list[str], size: int | None
) -> list[list[float]]:
    more: Any = {} if size is None else {"dimensions": size}
    create = openai_client(url).embeddings.create
    made = create(model=target.model, input=texts, encoding_format="float", **more)
    return [each.embedding for each in made.data]


def by_openai_later(
    url: str, target: Target, texts: list[str], size: int | None
) -> list[list[float]]:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client:
            more: Any = {} if size is None else {"dimensions": size}
            return await client.embeddings.create(model=target.model, input=texts, **more)

    return [each.embedding for each in asyncio.run(ask()).data]


def by_genai(url: str, target: Target, texts: list[str], size: int | None) -> list[list[float]]:
    # Of a list of texts the SDK makes one input for newer models.
    contents: Any = [types.Content(parts=[types.Part(text=text)]) for text in texts]
    made = genai_client(url).models.embed_content(
        model=target.model,
        contents=contents,
        config=types.EmbedContentConfig(output_dimensionality=size),
    )
    return [each.values or [] for each in made.embeddings or ()]


def by_genai_v1(url: str, target: Target, texts: list[str], size: int | None) -> list[list[float]]:
    contents: Any = [types.Content(parts=[types.Part(text=text)]) for text in texts]
    config = types.EmbedContentConfig(output_dimensionality=size)
    models = genai_client(url, "v1").models
    made = models.embed_content(model=target.model, contents=contents, config=config)
    return [each.values or [] for each in made.embeddings or ()]


def by_generativeai(
    url: str, target: Target, texts: list[str], size: int | None
) -> list[list[float]]:
    calls = pytest.importorskip("tests.interop.generativeai_driver")
    calls.connect(url)
    model = calls.name_of(target.model)
    once = {"retry": None, "timeout": 30}
    embed = calls.sdk.embed_content
    several = embed(model, texts, output_dimensionality=size, request_options=once)
    one = embed(model, texts[0], output_dimensionality=size, request_options=once)
    found: list[list[float]] = several["embedding"]
    assert one["embedding"] == found[0]
    return found


WAYS: tuple[Ask, ...] = (
    by_openai,
    by_openai_as_numbers,
    by_openai_later,
    by_genai,
    by_genai_v1,
    by_generativeai,
)
every_way = pytest.mark.parametrize("ask", WAYS, ids=lambda way: way.__name__)


def near(one: list[list[float]], other: list[list[float]]) -> bool:
    """Return whether vectors are the same, but for what 32 bits cannot hold."""
    return len(one) == len(other) and all(
        len(a) == len(b)
        and all(math.isclose(x, y, rel_tol=1e-6) for x, y in zip(a, b, strict=True))
        for a, b in zip(one, other, strict=True)
    )


@every_way
@every_target
def test_embeddings_are_equal_for_all_sdks(url: str, target: Target, ask: Ask) -> None:
    short = ask(url, target, TEXTS, 8)
    assert [len(each) for each in short] == [8] * 3
    assert near(short, by_openai_as_numbers(url, OPENAI, TEXTS, 8))
    assert short[0] != short[1]
    long = ask(url, target, TEXTS[:1], None)
    assert [len(each) for each in long] == [SIZES[target]]


@pytest.mark.parametrize("ask", [by_openai, by_genai], ids=lambda way: way.__name__)
def test_more_inputs_than_gemini_batch_limit_are_split(url: str, ask: Ask) -> None:
    texts = [f"text {n}" for n in range(250)]
    assert near(ask(url, GEMINI, texts, 4), by_openai(url, OPENAI, texts, 4))


def test_gemini_usage_is_counted_or_estimated_by_model(url: str) -> None:
    create = openai_client(url).embeddings.with_raw_response.create
    text = "all work and no play " * 20
    for target, source in ((GEMINI, "estimate"), (GEMINI_2, "upstream"), (OPENAI, None)):
        raw = create(model=target.model, input=text)
        assert raw.headers.get("x-token-count-source") == source
        assert raw.parse().usage.prompt_tokens == 105


@every_target
def test_task_type_changes_gemini_embeddings_only(url: str, target: Target) -> None:
    def ask(task: str | None, title: str | None = None) -> Any:
        config = types.EmbedContentConfig(task_type=task, title=title, output_dimensionality=4)
        models = genai_client(url).models
        made = models.embed_content(model=target.model, contents="x", config=config)
        assert made.embeddings
        return made.embeddings[0].values

    vectors = [ask(None), ask("RETRIEVAL_QUERY"), ask("RETRIEVAL_DOCUMENT", "A title")]
    kept = target in (GEMINI, GEMINI_2)
    assert len({tuple(each) for each in vectors}) == (3 if kept else 1)


def test_images_are_embedded_by_multimodal_model(url: str) -> None:
    contents: Any = types.Content(parts=[types.Part(text="A picture"), part(PNG)])
    embed = genai_client(url).models.embed_content
    made = embed(model=GEMINI_2.model, contents=contents)
    assert made.embeddings
    assert len(made.embeddings[0].values or ()) == 3072
    with pytest.raises(genai_errors.ClientError, match="does not support image"):
        embed(model=OPENAI.model, contents=contents)


def test_token_ids_are_embedded_by_openai_only(url: str) -> None:
    create = openai_client(url).embeddings.create
    made = create(model=OPENAI.model, input=[[1, 2, 3], [4]], dimensions=4)
    assert len(made.data) == 2
    assert made.usage.prompt_tokens == 4
    with pytest.raises(openai.BadRequestError, match="token ids") as caught:
        create(model=GEMINI.model, input=[1, 2, 3])
    assert caught.value.param == "input"


@every_target
def test_embedding_errors_are_sdk_exceptions(url: str, target: Target) -> None:
    # Each failure has a model of its own: the gateway remembers what failed with which.
    models = genai_client(url).models
    with pytest.raises(openai.RateLimitError) as limited:
        openai_client(url).embeddings.create(model=fresh(target), input="[[error 429 retry=30s]]")
    assert 28 <= int(limited.value.response.headers["retry-after"]) <= 30
    with pytest.raises(genai_errors.ClientError) as slow:
        models.embed_content(model=fresh(target), contents="[[error 429 retry=30s]]")
    assert slow.value.code == 429
    with pytest.raises(openai.BadRequestError, match="Too much"):
        openai_client(url).embeddings.create(
            model=fresh(target), input="[[error 400 message=Too much]]"
        )
    with pytest.raises(genai_errors.ClientError, match="Too much"):
        models.embed_content(model=fresh(target), contents="[[error 400 message=Too much]]")
    with pytest.raises(openai.InternalServerError):
        openai_client(url).embeddings.create(model=fresh(target), input="[[error 500]]")
    assert by_openai(url, target, ["[[error 500 times=1]] " + target.name], 4)


@pytest.mark.parametrize("model", ["gpt-5.1", "claude-sonnet-4-6", "gemini-2.5-flash"])
def test_chat_models_are_rejected_for_embeddings(url: str, model: str) -> None:
    with pytest.raises(openai.BadRequestError, match="text-embedding-3-small") as caught:
        openai_client(url).embeddings.create(model=model, input="x")
    assert caught.value.code == "model_not_supported"
    with pytest.raises(genai_errors.ClientError, match="is not an embedding model"):
        genai_client(url).models.embed_content(model=model, contents="x")


@pytest.mark.parametrize("upstream", ["demo-codeassist", "demo-anthropic"])
def test_upstream_without_embeddings_names_alternatives(url: str, upstream: str) -> None:
    with pytest.raises(openai.NotFoundError, match="openai or gemini_api"):
        openai_client(url).embeddings.create(model=f"{upstream}/gemini-embedding-001", input="x")


def test_model_list_marks_embedding_models(url: str) -> None:
    found = {model.name: model.supported_actions for model in genai_client(url).models.list()}
    for each in TARGETS:
        assert found[f"models/{each.bare_model}"] == ["embedContent"]
    listed = {model.id for model in openai_client(url).models.list()}
    assert {each.bare_model for each in TARGETS} <= listed
