"""Decodes a client's ``embedContent`` or ``batchEmbedContents``, and encodes the reply."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from antigravity.ir.call import Call, HttpReply
from antigravity.ir.embeddings import EmbeddingInput, EmbeddingRequest, EmbeddingResponse
from antigravity.ir.parts import Media, Text
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini.embeddings_schema import (
    BatchRequest,
    EmbedConfig,
    EmbedRequest,
)
from antigravity.protocols.gemini.request_reader import (
    normalize,
    read,
    reject,
    unknown_fields,
)
from antigravity.protocols.gemini.server_parts import decode_parts
from antigravity.protocols.gemini.server_request import model_of
from antigravity.protocols.json_body import load_members, load_object
from antigravity.protocols.long_arrays import encode_with_array
from antigravity.protocols.replies import json_reply

NAME: Final = "gemini_embeddings"
#: The tag of the routes for several inputs.
BATCH: Final = "batch"
#: Task types; older clients send the number.
_TASKS: Final = (
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
)


def decode(call: Call) -> EmbeddingRequest:
    """Return the request in a call.

    :raises InvalidRequestError: if a field is not valid; the error names it.
    """
    body = load_object(call.body)
    unknown: dict[str, Any] = {}
    if call.route.tag == BATCH:
        raw = normalize(body, BatchRequest)
        read(raw, BatchRequest)
        requests = raw.get("requests") or []
        if not requests:
            raise reject("$.requests", "at least one request is required.")
        inputs = [_input(each, f"$.requests[{place}]") for place, each in enumerate(requests)]
        unknown = {key: raw[key] for key in unknown_fields(raw, BatchRequest) if key != "model"}
    else:
        inputs = [_input(normalize(body, EmbedRequest), "$")]
    return EmbeddingRequest(model_of(call), tuple(inputs), NAME, extensions=unknown)


def count_inputs(call: Call) -> int:
    """Return the number of inputs of a call, without checking them."""
    listed = load_members(call.body).get("requests") if call.route.tag == BATCH else None
    if listed is None or bytes(memoryview(listed)[:1]) != b"[":
        return 1
    return len(msgspec.json.decode(listed, type=list[Raw]))


def _input(raw: Any, at: str) -> EmbeddingInput:
    """Return one input."""
    wire = read(raw, EmbedRequest, at)
    if wire.content is UNSET:
        raise reject(f"{at}.content", "the content to embed is missing.")
    found = decode_parts(wire.content, raw["content"], f"{at}.content")
    parts = tuple(part for part in found if isinstance(part, Text | Media))
    if not parts or len(parts) != len(found):
        raise reject(
            f"{at}.content.parts",
            "only text and media are allowed, and at least one part is required.",
        )
    given = wire.embed_content_config
    config = EmbedConfig() if given is UNSET else given
    dimensions = _first(config.output_dimensionality, wire.output_dimensionality)
    if dimensions is not None and dimensions < 1:
        raise reject(f"{at}.outputDimensionality", "this must be at least 1.")
    unknown = unknown_fields(raw, EmbedRequest)
    if rest := unknown_fields(raw.get("embedContentConfig"), EmbedConfig):
        unknown["embedContentConfig"] = rest
    return EmbeddingInput(
        parts,
        f"{at}.content",
        dimensions,
        _task(_first(config.task_type, wire.task_type), f"{at}.taskType"),
        _first(config.title, wire.title) or None,
        unknown,
    )


def _first(*values: Any) -> Any:
    """Return the first value that is given."""
    return next((value for value in values if not isinstance(value, UnsetType)), None)


def _task(value: str | int | None, at: str) -> str | None:
    if isinstance(value, int):
        if not 0 <= value < len(_TASKS):
            raise reject(at, f"{value} is not a task type.")
        value = _TASKS[value]
    return None if value in (None, "", _TASKS[0]) else value.upper()


def encode(response: EmbeddingResponse, request: EmbeddingRequest, call: Call) -> HttpReply:
    """Return the reply: a list of vectors for a batch, else one vector."""
    members: dict[str, Any] = {}
    if response.usage is not None:
        members["usageMetadata"] = _counted(response.usage)
    vectors = ({"values": vector} for vector in response.vectors)
    if call.route.tag == BATCH:
        return HttpReply(200, encode_with_array(members, "embeddings", vectors))
    return json_reply({"embedding": next(vectors), **members})


def _counted(usage: Usage) -> dict[str, Any]:
    return {"promptTokenCount": usage.input_total}
