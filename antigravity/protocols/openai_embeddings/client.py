"""Encodes the body of a request for embeddings, and decodes its response."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.interfaces.embeddings import EncodedEmbedding
from antigravity.ir.capabilities import Loss, Target
from antigravity.ir.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    TokenIds,
)
from antigravity.ir.errors import InvalidRequestError, UpstreamError
from antigravity.ir.parts import Media
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.openai_embeddings.server import NAME
from antigravity.protocols.openai_embeddings.vectors import from_base64

_SETTINGS: Final = {"task_type": "task type", "title": "document title"}


class _Usage(Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Vector(Struct):
    embedding: tuple[float, ...] | str
    index: int | None = None


class _Response(Struct):
    data: list[_Vector]
    model: str | None = None
    usage: _Usage | None = None


class _UsageOnly(Struct):
    usage: _Usage | None = None


def encode(
    request: EmbeddingRequest, inputs: tuple[EmbeddingInput, ...], target: Target
) -> EncodedEmbedding:
    """Return some of a request's inputs as an upstream's body.

    :raises InvalidRequestError: for media, which OpenAI does not support.
    """
    values = [_input(each) for each in inputs]
    # All compatible servers support numbers, but not all base64.
    body: dict[str, Any] = {"model": target.model, "input": values, "encoding_format": "float"}
    if len(values) == 1:
        body["input"] = values[0]
    if inputs[0].dimensions is not None:
        body["dimensions"] = inputs[0].dimensions
    if request.user:
        body["user"] = request.user
    if request.protocol == NAME:
        body |= request.extensions
    return EncodedEmbedding("embed_batch", msgspec.json.encode(body), _losses(inputs))


def _input(each: EmbeddingInput) -> str | list[int]:
    """Return one input; several texts become lines."""
    texts: list[str] = []
    for part in each.parts:
        if isinstance(part, TokenIds):
            return list(part.ids)
        if isinstance(part, Media):
            raise InvalidRequestError(
                f"This model does not support {part.kind} input. Send text, or use another model, "
                "such as gemini-embedding-2.",
                param=each.param,
            )
        texts.append(part.text)
    return "\n".join(texts)


def _losses(inputs: tuple[EmbeddingInput, ...]) -> tuple[Loss, ...]:
    return tuple(
        Loss(field, f"dropped: the protocol has no {what}")
        for field, what in _SETTINGS.items()
        if any(getattr(each, field) for each in inputs)
    )


def decode(body: bytes, expected: int) -> EmbeddingResponse:
    """Return the vectors in a response, in the order of the inputs.

    :raises UpstreamError: if it is malformed.
    """
    try:
        response = lenient.decode(body, _Response)
        found = _in_order(response.data)
        vectors = tuple(
            from_base64(each.embedding) if isinstance(each.embedding, str) else each.embedding
            for each in found
        )
    except (ValueError, RecursionError) as error:
        raise UpstreamError(f"The upstream sent malformed embeddings: {error}.") from error
    if len(vectors) != expected or not all(vectors):
        raise UpstreamError(f"The upstream returned {len(vectors)} vectors for {expected} inputs.")
    return EmbeddingResponse(vectors, _usage(response.usage), response.model or "")


def _in_order(data: list[_Vector]) -> list[_Vector]:
    """Return the vectors by their index, if all have one."""
    indices = sorted(each.index for each in data if each.index is not None)
    if indices != list(range(len(data))):
        return data
    return sorted(data, key=lambda each: each.index or 0)


def decode_usage(body: bytes) -> Usage | None:
    """Return the usage in a response, if it has any."""
    try:
        return _usage(lenient.decode(body, _UsageOnly).usage)
    except (ValueError, RecursionError):
        return None


def _usage(wire: _Usage | None) -> Usage | None:
    counted = None if wire is None else wire.prompt_tokens or wire.total_tokens
    return None if not counted else Usage(input_total=counted)
