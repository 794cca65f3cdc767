"""OpenAI's embeddings: requests and vectors, both ways."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.ir.call import Call
from antigravity.ir.capabilities import Loss, Target
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
from antigravity.protocols.openai_embeddings.protocol import (
    OPENAI_EMBEDDINGS_CLIENT,
    OPENAI_EMBEDDINGS_SERVER,
)

SERVER, CLIENT = OPENAI_EMBEDDINGS_SERVER, OPENAI_EMBEDDINGS_CLIENT
TARGET = Target("text-embedding-3-large")

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
vectors = st.lists(st.lists(floats, min_size=1, max_size=9), min_size=1, max_size=5)


def call(body: Any) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(SERVER.routes[0], {}, {}, {}, data)


def decoded(**fields: Any) -> EmbeddingRequest:
    return SERVER.decode_embedding(call({"model": "m", **fields}))


def inputs(*parts: Any, **settings: Any) -> tuple[EmbeddingInput, ...]:
    return tuple(EmbeddingInput((part,), "input", **settings) for part in parts)


def encoded(*parts: Any, **settings: Any) -> tuple[dict[str, Any], tuple[Loss, ...]]:
    given = inputs(*parts, **settings)
    done = CLIENT.encode_embedding(EmbeddingRequest("x", given, "other"), given, TARGET)
    assert done.operation == "embed_batch"
    return json.loads(done.body), done.warnings


def test_embeddings_have_one_route() -> None:
    (route,) = SERVER.routes
    assert (route.method, route.path, route.operation) == ("POST", "/v1/embeddings", "embed")
    head = SERVER.peek(call({"model": "m", "input": "x", "stream": True}))
    assert (head.model, head.stream) == ("m", False)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("a", [Text("a")]),
        (["a", "b"], [Text("a"), Text("b")]),
        ([1, 2], [TokenIds((1, 2))]),
        ([[1, 2], [3]], [TokenIds((1, 2)), TokenIds((3,))]),
        (["a", [3]], [Text("a"), TokenIds((3,))]),
    ],
)
def test_every_form_of_input_is_read_and_counted(given: Any, parts: list[Any]) -> None:
    request = decoded(input=given)
    assert [each.parts for each in request.inputs] == [(part,) for part in parts]
    assert SERVER.count_inputs(call({"model": "m", "input": given})) == len(parts)


def test_settings_are_read() -> None:
    request = decoded(
        input="a", dimensions=7, encoding_format="base64", user="u", input_type="query", gone=None
    )
    assert request.inputs[0].dimensions == 7
    assert (request.encoding, request.user) == ("base64", "u")
    assert request.extensions == {"input_type": "query"}
    assert decoded(input="a").encoding == "float"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "input"),
        ({"input": "a"}, "model"),
        ({"model": "m", "input": ""}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": {"text": "a"}}, "input"),
        ({"model": "m", "input": ["a", ""]}, "input[1]"),
        ({"model": "m", "input": ["a", 1]}, "input[1]"),
        ({"model": "m", "input": ["a", []]}, "input[1]"),
        ({"model": "m", "input": [1, "a"]}, "input[1]"),
        ({"model": "m", "input": [1, -1]}, "input[1]"),
        ({"model": "m", "input": [[1, True]]}, "input[0][1]"),
        ({"model": "m", "input": [True]}, "input[0]"),
        ({"model": "m", "input": "a", "dimensions": 0}, "dimensions"),
        ({"model": "m", "input": "a", "dimensions": "7"}, "dimensions"),
        ({"model": "m", "input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_invalid_field_is_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        SERVER.decode_embedding(call(body))
    assert caught.value.param == param
    assert f"`{param}`" in caught.value.message


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b'{"model": "m", "input": [1,}'])
def test_count_inputs_accepts_invalid_body(body: bytes) -> None:
    assert SERVER.count_inputs(call(body)) == 1


@settings(deadline=None)
@given(vectors)
def test_client_decodes_server_encoding(values: list[list[float]]) -> None:
    made = EmbeddingResponse(tuple(map(tuple, values)), Usage(input_total=5), "served")
    for encoding in ("float", "base64"):
        request = decoded(input="a", encoding_format=encoding)
        reply = SERVER.encode_embeddings(made, request, call({}))
        assert CLIENT.decode_embeddings(reply.body, len(values)) == made
        assert CLIENT.decode_usage(reply.body) == Usage(input_total=5)


def test_the_reply_has_openais_shape() -> None:
    made = EmbeddingResponse(((0.5, -2.0), (1.0,)), Usage(input_total=3))
    body = json.loads(SERVER.encode_embeddings(made, decoded(input="a"), call({})).body)
    assert body == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -2.0]},
            {"object": "embedding", "index": 1, "embedding": [1.0]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


def test_base64_is_of_little_endian_32_bit_floats() -> None:
    request = decoded(input="a", encoding_format="base64")
    reply = SERVER.encode_embeddings(EmbeddingResponse(((1.0, -2.0),)), request, call({}))
    text = json.loads(reply.body)["data"][0]["embedding"]
    assert base64.b64decode(text) == bytes.fromhex("0000803f000000c0")


def test_number_out_of_range_is_an_upstream_error() -> None:
    request = decoded(input="a", encoding_format="base64")
    with pytest.raises(UpstreamError, match="32 bits"):
        SERVER.encode_embeddings(EmbeddingResponse(((1e300,),)), request, call({}))


def test_inputs_are_encoded_as_numbers_are_asked_for() -> None:
    assert encoded(Text("a"))[0] == {
        "model": "text-embedding-3-large",
        "input": "a",
        "encoding_format": "float",
    }
    body, losses = encoded(Text("a"), TokenIds((1, 2)), dimensions=4)
    assert (body["input"], body["dimensions"]) == (["a", [1, 2]], 4)
    assert losses == ()


def test_unsupported_settings_are_reported_as_loss() -> None:
    body, losses = encoded(Text("a"), task_type="RETRIEVAL_QUERY", title="t")
    assert set(body) == {"model", "input", "encoding_format"}
    assert [loss.field for loss in losses] == ["task_type", "title"]


def test_several_texts_of_one_input_are_lines() -> None:
    given = (EmbeddingInput((Text("a"), Text("b")), "input"),)
    done = CLIENT.encode_embedding(EmbeddingRequest("x", given, "other"), given, TARGET)
    assert json.loads(done.body)["input"] == "a\nb"


def test_media_are_refused() -> None:
    media = Media("image", InlineData("AA=="), "image/png")
    with pytest.raises(InvalidRequestError, match="does not support image") as caught:
        encoded(media)
    assert caught.value.param == "input"


def test_fields_of_same_protocol_are_sent() -> None:
    request = decoded(input=["a", "b"], user="u", input_type="query")
    done = CLIENT.encode_embedding(request, request.inputs[1:], TARGET)
    body = json.loads(done.body)
    assert (body["input"], body["user"], body["input_type"]) == ("b", "u", "query")


def test_vectors_are_in_order_of_index() -> None:
    data = [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]
    found = CLIENT.decode_embeddings(json.dumps({"data": data}).encode(), 2)
    assert found.vectors == ((1.0,), (2.0,))
    for each in data:
        del each["index"]
    found = CLIENT.decode_embeddings(json.dumps({"data": data, "usage": None}).encode(), 2)
    assert found.vectors == ((2.0,), (1.0,))
    assert (found.usage, found.model) == (None, "")


NAN = base64.b64encode(struct.pack("<f", float("nan"))).decode()


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"embedding": [1]}, {"embedding": [2]}],
        [{"embedding": []}],
        [{"embedding": ["x"]}],
        [{"embedding": "not base64!"}],
        [{"embedding": "AAAA"}],
        [{"embedding": NAN}],
        [{}],
        None,
    ],
)
def test_malformed_response_is_an_upstream_error(data: Any) -> None:
    with pytest.raises(UpstreamError):
        CLIENT.decode_embeddings(json.dumps({"data": data}).encode(), 1)


def test_only_the_model_is_changed_in_a_body_that_passes() -> None:
    body = b'{ "input" : ["a"],"model":"x", "n":1.50 }'
    changed = SERVER.with_model(call(body), "y/z")
    assert changed == b'{ "input" : ["a"],"model":"y/z", "n":1.50 }'


def test_errors_are_read_as_everywhere() -> None:
    error = CLIENT.decode_error(429, {"retry-after": "3"}, b'{"error": {"message": "slow"}}')
    assert isinstance(error, RateLimitedError)
    assert (error.retry_after, error.message) == (3.0, "slow")
