"""Gemini's embeddings: requests and vectors, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antigravity.ir.call import Call
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    TokenIds,
)
from antigravity.ir.errors import InvalidRequestError, RateLimitedError, UpstreamError
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini.embeddings import (
    GEMINI_EMBEDDINGS_CLIENT,
    GEMINI_EMBEDDINGS_SERVER,
)
from tests.protocols.gemini.builders import patient

SERVER, CLIENT = GEMINI_EMBEDDINGS_SERVER, GEMINI_EMBEDDINGS_CLIENT
SINGLE, BATCH = SERVER.routes[:2]
PNG = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
NAMELESS = {"inlineData": {"data": "AAAA"}}
TEXT_ONLY = Target("gemini-embedding-001", Capabilities(family="gemini"))
EVERYTHING = Target("gemini-embedding-2", Capabilities(family="gemini", inputs=("image",)))

texts = st.text(min_size=1, max_size=20)
tasks = st.sampled_from([None, "RETRIEVAL_QUERY", "CLUSTERING"])


@st.composite
def embedding_inputs(draw: st.DrawFn) -> EmbeddingInput:
    parts = tuple(map(Text, draw(st.lists(texts, min_size=1, max_size=3))))
    return EmbeddingInput(
        parts,
        "$",
        draw(st.none() | st.integers(1, 3072)),
        draw(tasks),
        draw(st.none() | texts),
    )


def call(body: Any, *, batch: bool = False, model: str = "gemini-x") -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(BATCH if batch else SINGLE, {"model": model}, {}, {}, data)


def content(*parts: Any) -> dict[str, Any]:
    return {"parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def test_embeddings_are_served_under_both_versions() -> None:
    assert [(r.path, r.operation) for r in SERVER.routes] == [
        (f"/{version}/models/{{model...}}:{verb}", "embed")
        for version in ("v1beta", "v1")
        for verb in ("embedContent", "batchEmbedContents")
    ]
    assert SERVER.operation(call({})) == "embed"
    assert SERVER.operation(call({}, batch=True)) == "embed_batch"
    head = SERVER.peek(call({}, model="models/gemini-x"))
    assert (head.model, head.stream) == ("gemini-x", False)
    with pytest.raises(InvalidRequestError, match="does not name a model"):
        SERVER.peek(call({}, model=""))


@pytest.mark.parametrize(
    "body",
    [
        {
            "content": content("a"),
            "taskType": "RETRIEVAL_DOCUMENT",
            "title": "t",
            "outputDimensionality": 9,
        },
        {
            "content": {"parts": {"text": "a"}},
            "task_type": 2,
            "title": "t",
            "output_dimensionality": "9",
        },
        {
            "content": "a",
            "embedContentConfig": {
                "taskType": "RETRIEVAL_DOCUMENT",
                "title": "t",
                "outputDimensionality": 9,
            },
        },
        {
            "content": "a",
            "taskType": "CLUSTERING",
            "embed_content_config": {
                "task_type": "retrieval_document",
                "title": "t",
                "output_dimensionality": 9,
            },
        },
    ],
)
def test_settings_are_read_in_every_spelling_and_place(body: Any) -> None:
    for request in (
        SERVER.decode_embedding(call(body)),
        SERVER.decode_embedding(call({"requests": [{"model": "models/m", **body}]}, batch=True)),
    ):
        (only,) = request.inputs
        assert only.parts == (Text("a"),)
        settings = (only.dimensions, only.task_type, only.title)
        assert settings == (9, "RETRIEVAL_DOCUMENT", "t")
        assert (request.model, request.extensions) == ("gemini-x", {})


def test_media_and_unknown_fields_are_preserved() -> None:
    body = {"content": content("a", PNG), "autoFlavour": 1, "embedContentConfig": {"ocr": True}}
    request = SERVER.decode_embedding(call(body))
    text, media = request.inputs[0].parts
    assert text == Text("a")
    assert isinstance(media, Media)
    assert (media.kind, media.source) == ("image", InlineData("AAAA"))
    unknown = {"autoFlavour": 1, "embedContentConfig": {"ocr": True}}
    assert request.inputs[0].extensions == unknown
    for protocol, kept in (("gemini_embeddings", unknown), ("other", {})):
        foreign = replace(request, protocol=protocol)
        done = json.loads(CLIENT.encode_embedding(foreign, request.inputs, EVERYTHING).body)
        known = {"model": "models/gemini-embedding-2", "content": content("a", PNG)}
        assert done == {**known, **kept}


@pytest.mark.parametrize(
    ("body", "batch", "param"),
    [
        ({}, False, "$.content"),
        ({"content": {}}, False, "$.content.parts"),
        ({"content": content({"functionCall": {"name": "f"}})}, False, "$.content.parts"),
        ({"content": content(NAMELESS)}, False, "$.content.parts[0].inlineData.mimeType"),
        ({"content": content("a"), "taskType": 99}, False, "$.taskType"),
        ({"content": content("a"), "outputDimensionality": 0}, False, "$.outputDimensionality"),
        ({"content": content("a"), "outputDimensionality": "x"}, False, "$.outputDimensionality"),
        ({}, True, "$.requests"),
        ({"requests": []}, True, "$.requests"),
        ({"requests": [{"content": "a"}, {}]}, True, "$.requests[1].content"),
        ({"requests": [3]}, True, "$.requests[0]"),
    ],
)  # fmt: skip
def test_invalid_field_is_named(body: Any, batch: bool, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        SERVER.decode_embedding(call(body, batch=batch))
    assert caught.value.param == param


@patient
@given(st.lists(embedding_inputs(), min_size=1, max_size=4))
def test_encoded_embedding_request_is_decoded_unchanged(inputs: list[EmbeddingInput]) -> None:
    request = EmbeddingRequest("m", tuple(inputs), "other")
    done = CLIENT.encode_embedding(request, request.inputs, TEXT_ONLY)
    batch = done.operation == "embed_batch"
    assert batch is (len(inputs) > 1)
    read = SERVER.decode_embedding(call(done.body, batch=batch))
    fields = [(i.parts, i.dimensions, i.task_type, i.title) for i in read.inputs]
    assert fields == [(i.parts, i.dimensions, i.task_type, i.title) for i in inputs]
    assert SERVER.count_inputs(call(done.body, batch=batch)) == len(inputs)
    body = json.loads(done.body)
    for each in body["requests"] if batch else [body]:
        assert each["model"] == "models/gemini-embedding-001"


@patient
@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9),
        min_size=1,
        max_size=5,
    )
)
def test_client_decodes_server_encoding(values: list[list[float]]) -> None:
    made = EmbeddingResponse(tuple(map(tuple, values)), Usage(input_total=5))
    request = EmbeddingRequest("m", (), "other")
    reply = SERVER.encode_embeddings(made, request, call({}, batch=True))
    assert CLIENT.decode_embeddings(reply.body, len(values)) == made
    assert CLIENT.decode_usage(reply.body) == Usage(input_total=5)


def test_replies_have_googles_shape() -> None:
    made = EmbeddingResponse(((0.5,),), Usage(input_total=3))
    request = EmbeddingRequest("m", (), "other")
    one = json.loads(SERVER.encode_embeddings(made, request, call({})).body)
    assert one == {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 3}}
    many = json.loads(SERVER.encode_embeddings(made, request, call({}, batch=True)).body)
    assert many["embeddings"] == [{"values": [0.5]}]
    assert CLIENT.decode_embeddings(json.dumps(one).encode(), 1) == made
    assert CLIENT.decode_usage(b'{"embedding": {"values": [1]}}') is None


def encode(part: Any, target: Target) -> Any:
    inputs = (EmbeddingInput((part,), "input[3]"),)
    done = CLIENT.encode_embedding(EmbeddingRequest("m", inputs, "other"), inputs, target)
    return json.loads(done.body)["content"]["parts"]


def test_media_are_sent_only_to_models_that_support_them() -> None:
    media = Media("image", InlineData("AAAA"), "image/png")
    assert encode(media, EVERYTHING) == [PNG]
    with pytest.raises(InvalidRequestError, match="does not support image input") as caught:
        encode(media, TEXT_ONLY)
    assert caught.value.param == "input[3]"


def test_token_ids_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="token ids") as caught:
        encode(TokenIds((1, 2)), EVERYTHING)
    assert caught.value.param == "input[3]"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"embeddings": []},
        {"embeddings": [{"values": [1]}, {"values": [2]}]},
        {"embedding": {"values": []}},
        {"embedding": {}},
        {"embedding": {"values": ["x"]}},
        [],
    ],
)
def test_malformed_response_is_an_upstream_error(answer: Any) -> None:
    with pytest.raises(UpstreamError):
        CLIENT.decode_embeddings(json.dumps(answer).encode(), 1)


def test_only_the_model_is_changed_in_a_body_that_passes() -> None:
    body = (
        b'{ "model":"models/a", "requests" : [ {"content":{"parts":[{"text":"[{,"}]}, '
        b'"model": "models/a"} ,{"model":"b","x":1.50}, 7 ]}'
    )
    changed = SERVER.with_model(call(body, batch=True), "y")
    assert changed == body.replace(b'"models/a"', b'"models/y"').replace(b'"b"', b'"models/y"')
    plain = b'{"content": {"parts": [{"text": "a"}]}}'
    assert SERVER.with_model(call(plain), "y") == plain


@patient
@given(st.lists(st.dictionaries(st.sampled_from(["model", "content", "n"]), texts), max_size=4))
def test_with_model_changes_only_the_model_of_a_batch(requests: list[dict[str, str]]) -> None:
    for indent in (None, 1):
        body = json.dumps({"requests": requests}, indent=indent).encode()
        changed = json.loads(SERVER.with_model(call(body, batch=True), "y"))
        wanted = [{**each, "model": "models/y"} if "model" in each else each for each in requests]
        assert changed == {"requests": wanted}


def test_errors_are_read_as_everywhere() -> None:
    body = b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}}'
    error = CLIENT.decode_error(429, {"retry-after": "3"}, body)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 3.0
