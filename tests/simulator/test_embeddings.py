"""Simulated vectors, and the requests that are refused."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import pytest

from antigravity.simulator.embeddings import (
    EmbeddingInput,
    encode_gemini_vectors,
    encode_openai_vectors,
    vector,
)
from antigravity.simulator.errors import ApiError
from antigravity.simulator.validation.embeddings import check_gemini, check_openai

SMALL = "text-embedding-3-small"


def openai(**fields: Any) -> dict[str, Any]:
    return {"model": SMALL, "input": "x", **fields}


def part(**fields: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": "x"}]}, **fields}


OPENAI: list[tuple[dict[str, Any], str]] = [
    ({"model": SMALL}, "Missing required parameter: 'input'."),
    (openai(input=""), "'$.input' is invalid."),
    (openai(input=[]), "'$.input' is invalid."),
    (openai(input=["a", ""]), "'$.input' is invalid."),
    (openai(input=[1, "a"]), "'$.input' is invalid."),
    (openai(input=["x"] * 2049), "maximum length 2048"),
    (openai(input="x" * 40_000), "maximum context length is 8192 tokens"),
    (openai(input=["x" * 32_000] * 38), "max 300000 tokens per request"),
    (openai(dimensions=0), "expected a positive integer"),
    (openai(dimensions=1537), "Must be less than or equal to 1536."),
    (openai(model="text-embedding-ada-002", dimensions=5), "does not support specifying"),
    (openai(encoding_format="hex"), "Invalid value: 'hex'."),
    (openai(task_type="x"), "Unrecognized request argument supplied: task_type"),
    (openai(model="gpt-5.1"), "You are not allowed to generate embeddings from this model"),
    (openai(model="no-such-embedding"), "does not exist"),
]
GEMINI: list[tuple[str, dict[str, Any], bool, str]] = [
    ("gemini-embedding-001", {}, False, "contents is not specified"),
    ("gemini-embedding-001", part(title="t"), False, "only for task_type RETRIEVAL_DOCUMENT"),
    ("gemini-embedding-001", part(taskType="COOKING"), False, "Invalid value at 'task_type'"),
    ("gemini-embedding-001", part(outputDimensionality=4000), False, "between 1 and 3072"),
    ("text-embedding-004", part(outputDimensionality=769), False, "between 1 and 768"),
    ("gemini-embedding-001", part(dimensions=5), False, 'Unknown name "dimensions"'),
    ("gemini-embedding-001", {"content": {"parts": [{"text": ""}]}}, False, "an empty Part"),
    ("gemini-embedding-001",
     {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}}, False,
     "does not support inputs other than text"),
    ("gemini-2.5-flash", part(), False, "not supported for embedContent"),
    ("gemini-embedding-001", {"requests": []}, True, "must not be empty"),
    ("gemini-embedding-001", {"requests": [part()]}, True, "requests[0].model: model must match"),
    ("gemini-embedding-001",
     {"requests": [part(model="models/gemini-embedding-001")] * 101}, True,
     "at most 100 requests can be in one batch"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), OPENAI, ids=[message for _, message in OPENAI])
def test_openai_refuses(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_openai(body)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("model", "body", "batch", "message"), GEMINI, ids=[message for *_, message in GEMINI]
)
def test_gemini_refuses(model: str, body: dict[str, Any], batch: bool, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_gemini(model, body, batch)
    assert message in caught.value.message


def test_vector_is_normalised_and_depends_on_its_input() -> None:
    one = vector(EmbeddingInput("x", 64))
    assert math.isclose(math.hypot(*one), 1.0, rel_tol=1e-6)
    assert one == vector(EmbeddingInput("x", 64))
    others = (
        EmbeddingInput("y", 64),
        EmbeddingInput("x", 64, task="CLUSTERING"),
        EmbeddingInput("x", 64, title="t"),
    )
    assert len({tuple(vector(each)) for each in (EmbeddingInput("x", 64), *others)}) == 4
    short = vector(EmbeddingInput("x", 8))
    scale = short[0] / one[0]
    assert all(
        math.isclose(a, b * scale, rel_tol=1e-5) for a, b in zip(short, one[:8], strict=True)
    )


def test_float_and_base64_vectors_are_equal() -> None:
    inputs = check_openai(openai(input=["x", "y"], dimensions=4))
    numbers = encode_openai_vectors(SMALL, inputs, "float")
    texts = encode_openai_vectors(SMALL, inputs, "base64")
    for number, text in zip(numbers["data"], texts["data"], strict=True):
        data = base64.b64decode(text["embedding"])
        assert list(struct.unpack("<4f", data)) == number["embedding"]
    assert numbers["usage"] == texts["usage"] == {"prompt_tokens": 2, "total_tokens": 2}


def test_only_newer_gemini_models_report_usage() -> None:
    for model, counts in (("gemini-embedding-001", False), ("gemini-embedding-2", True)):
        body = {"requests": [part(model=f"models/{model}", taskType=1), part(model=model)]}
        answer = encode_gemini_vectors(model, check_gemini(model, body, True), True)
        assert len(answer["embeddings"]) == 2
        assert answer["embeddings"][0] != answer["embeddings"][1]
        assert ("usageMetadata" in answer) is counts
