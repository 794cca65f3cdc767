"""Encodes the body of ``embedContent`` or ``batchEmbedContents``, and decodes its response."""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity.interfaces.embeddings import EncodedEmbedding
from antigravity.ir.capabilities import Target
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
from antigravity.protocols.gemini.client_media import media_fields
from antigravity.protocols.gemini.embeddings_schema import EmbedResponse, EmbedUsage, UsageOnly
from antigravity.protocols.gemini.embeddings_server import NAME


def encode(
    request: EmbeddingRequest, inputs: tuple[EmbeddingInput, ...], target: Target
) -> EncodedEmbedding:
    """Return some of a request's inputs as an upstream's body.

    :raises InvalidRequestError: for token ids, and for media that the model does not accept.
    """
    model = target.model if "/" in target.model else f"models/{target.model}"
    own = request.protocol == NAME
    values = [
        {"model": model, **_input(each, target), **(each.extensions if own else {})}
        for each in inputs
    ]
    if len(values) == 1:
        return EncodedEmbedding("embed", msgspec.json.encode(values[0]))
    batch = {"requests": values, **(request.extensions if own else {})}
    return EncodedEmbedding("embed_batch", msgspec.json.encode(batch))


def _input(each: EmbeddingInput, target: Target) -> dict[str, Any]:
    # The API also has a newer place for these settings; this one works everywhere.
    settings = {
        "taskType": each.task_type,
        "title": each.title,
        "outputDimensionality": each.dimensions,
    }
    return {
        "content": {"parts": [_part(part, each.param, target) for part in each.parts]},
        **{key: value for key, value in settings.items() if value is not None},
    }


def _part(part: Any, param: str, target: Target) -> dict[str, Any]:
    if isinstance(part, TokenIds):
        raise InvalidRequestError(
            f"`{param}` holds token ids, but {target.model} has another tokenizer. Send the "
            "text instead.",
            param=param,
        )
    if not isinstance(part, Media):
        return {"text": part.text}
    if part.kind not in target.capabilities.inputs:
        raise InvalidRequestError(
            f"{target.model} does not support {part.kind} input. Send text, or use another "
            "model, such as gemini-embedding-2.",
            param=param,
        )
    return media_fields(part, param)


def decode(body: bytes, expected: int) -> EmbeddingResponse:
    """Return the vectors in a response.

    :raises UpstreamError: if it is malformed.
    """
    try:
        response = lenient.decode(body, EmbedResponse)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UpstreamError(f"The upstream sent malformed embeddings: {error}.") from error
    found = response.embeddings or []
    if response.embedding is not None:
        found = [response.embedding]
    vectors = tuple(each.values for each in found)
    if len(vectors) != expected or not all(vectors):
        raise UpstreamError(f"The upstream returned {len(vectors)} vectors for {expected} inputs.")
    return EmbeddingResponse(vectors, _usage(response.usage_metadata))


def decode_usage(body: bytes) -> Usage | None:
    """Return the usage in a response, if it has any."""
    try:
        return _usage(lenient.decode(body, UsageOnly).usage_metadata)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _usage(counted: EmbedUsage | None) -> Usage | None:
    if counted is None or not counted.prompt_token_count:
        return None
    return Usage(input_total=counted.prompt_token_count)
