"""From a request to the body of ``embedContent`` or ``batchEmbedContents``, and back."""

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
from antigravity.protocols.gemini.embeddings_schema import Answer, Counted, Glance
from antigravity.protocols.gemini.embeddings_server import NAME


def encode(
    request: EmbeddingRequest, inputs: tuple[EmbeddingInput, ...], target: Target
) -> EncodedEmbedding:
    """Return some of a request's inputs as an upstream's body.

    :raises InvalidRequestError: for token ids, and for media that the model does not take.
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
    # The API has a newer place for these settings, too; this one everybody knows.
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
            f"`{param}` holds token ids, which mean nothing to {target.model}: its tokens are "
            "others. Send the text.",
            param=param,
        )
    if not isinstance(part, Media):
        return {"text": part.text}
    if part.kind not in target.capabilities.inputs:
        raise InvalidRequestError(
            f"{target.model} makes no vectors of {part.kind} input; send text, or ask for a "
            "model that does, such as gemini-embedding-2.",
            param=param,
        )
    return media_fields(part, param)


def decode(body: bytes, expected: int) -> EmbeddingResponse:
    """Return the vectors in a response.

    :raises UpstreamError: if it is malformed.
    """
    try:
        answer = lenient.decode(body, Answer)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UpstreamError(f"The upstream's embeddings are malformed: {error}.") from error
    found = answer.embeddings or []
    if answer.embedding is not None:
        found = [answer.embedding]
    vectors = tuple(each.values for each in found)
    if len(vectors) != expected or not all(vectors):
        raise UpstreamError(f"The upstream gave {len(vectors)} vectors where {expected} are due.")
    return EmbeddingResponse(vectors, _usage(answer.usage_metadata))


def decode_usage(body: bytes) -> Usage | None:
    """Return the usage in an answer, if it has one."""
    try:
        return _usage(lenient.decode(body, Glance).usage_metadata)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _usage(counted: Counted | None) -> Usage | None:
    if counted is None or not counted.prompt_token_count:
        return None
    return Usage(input_total=counted.prompt_token_count)
