"""Checks of requests for embeddings; pure."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from antigravity.simulator.embeddings import EmbeddingInput
from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.validation.chat import check_model as check_openai_model
from antigravity.simulator.validation.gemini_schema import BATCH_EMBED_REQUEST, EMBED_REQUEST
from antigravity.simulator.validation.google_errors import read_body as read_google_body
from antigravity.simulator.validation.openai_errors import read_body, refuse_missing
from antigravity.simulator.validation.schema import choice, optional, struct

_MOST: Final = 2048
_LONGEST: Final = 8192
_MOST_TOKENS: Final = 300_000
_SIZES: Final = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
_BATCH: Final = 100
_NO_TASK: Final = "TASK_TYPE_UNSPECIFIED"


_REQUEST: Final = struct(
    {
        **optional(str, "model user"),
        "dimensions": int | None,
        "input": Any,
        "encoding_format": choice("float base64") | None,
    },
    closed=True,
)


def check_openai(body: dict[str, Any]) -> list[EmbeddingInput]:
    """Return the inputs of a valid request.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    body = read_body(body, _REQUEST, unrecognized=True)
    model = check_openai_model(body)
    if "input" not in body:
        refuse_missing("input")
    if "embed" not in model:
        raise ApiError(403, "You are not allowed to generate embeddings from this model")
    size = _openai_size(model, body.get("dimensions"))
    inputs = [_openai_input(each, size) for each in _listed(body["input"])]
    for each in inputs:
        if each.size > _LONGEST:
            refuse(
                f"This model's maximum context length is {_LONGEST} tokens, however you requested "
                f"{each.size} tokens ({each.size} in your prompt; 0 for the completion). Please "
                "reduce your prompt; or completion length."
            )
    total = sum(each.size for each in inputs)
    if total > _MOST_TOKENS:
        refuse(
            f"Requested {total} tokens, max {_MOST_TOKENS} tokens per request",
            code="max_tokens_per_request",
        )
    return inputs


def _openai_size(model: str, dimensions: int | None) -> int:
    largest = next((size for name, size in _SIZES.items() if model.startswith(name)), None)
    if dimensions is None:
        return largest or 1536
    if largest is None:
        refuse("This model does not support specifying dimensions.")
    if dimensions < 1:
        refuse("Invalid type for 'dimensions': expected a positive integer.", "dimensions")
    if dimensions > largest:
        refuse(
            f"Invalid value for 'dimensions' = {dimensions}. "
            f"Must be less than or equal to {largest}.",
            "dimensions",
        )
    return dimensions


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        _wrong_input()
    if all(map(_is_token, value)):
        return [value]
    if len(value) > _MOST:
        refuse(
            f"Invalid 'input': array too long. Expected an array with maximum length {_MOST}, but "
            f"got an array with length {len(value)} instead.",
            "input",
            "array_above_max_length",
        )
    return value


def _openai_input(value: Any, size: int) -> EmbeddingInput:
    if isinstance(value, str) and value:
        return EmbeddingInput(value, size)
    if isinstance(value, list) and value and all(map(_is_token, value)):
        return EmbeddingInput(f"tokens {value}", size, tokens=len(value))
    return _wrong_input()


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong_input() -> NoReturn:
    refuse(
        "'$.input' is invalid. Please check the API reference: "
        "https://platform.openai.com/docs/api-reference."
    )


def check_gemini(model: str, raw: dict[str, Any], batch: bool) -> list[EmbeddingInput]:
    """Return the inputs of a valid request.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    body = read_google_body(raw, BATCH_EMBED_REQUEST if batch else EMBED_REQUEST)
    if "embedding" not in model:
        verb = "batchEmbedContents" if batch else "embedContent"
        raise ApiError(
            404,
            f"models/{model} is not found for API version v1beta, or is not supported for {verb}. "
            "Call ListModels to see the list of available models and their supported methods.",
        )
    if not batch:
        return [_gemini_input(model, body)]
    requests = body.get("requests") or []
    if not requests:
        refuse("* BatchEmbedContentsRequest.requests: requests must not be empty\n")
    if len(requests) > _BATCH:
        refuse(
            f"* BatchEmbedContentsRequest.requests: at most {_BATCH} requests can be in one batch\n"
        )
    for index, each in enumerate(requests):
        if each.get("model", "").removeprefix("models/") != model:
            refuse(
                f"* BatchEmbedContentsRequest.requests[{index}].model: model must match the model "
                "of the batch\n"
            )
    return [_gemini_input(model, each) for each in requests]


def _gemini_input(model: str, body: dict[str, Any]) -> EmbeddingInput:
    config = {**body, **(body.get("embedContentConfig") or {})}
    parts = (body.get("content") or {}).get("parts")
    if not parts:
        refuse("* EmbedContentRequest.content: contents is not specified\n")
    task = config.get("taskType", _NO_TASK).replace(_NO_TASK, "")
    if config.get("title") and task != "RETRIEVAL_DOCUMENT":
        refuse("* EmbedContentRequest.title: title is only for task_type RETRIEVAL_DOCUMENT\n")
    texts, media = [], []
    for part in parts:
        blob = part.get("inlineData") or part.get("fileData")
        if blob is not None:
            if not model.startswith("gemini-embedding-2"):
                refuse("The model does not support inputs other than text.")
            media.append(blob.get("data") or blob.get("fileUri", ""))
        elif not part.get("text"):
            refuse("* EmbedContentRequest.content contains an empty Part.\n")
        else:
            texts.append(part["text"])
    size = _gemini_size(model, config.get("outputDimensionality"))
    return EmbeddingInput("\n".join(texts), size, task, config.get("title", ""), tuple(media))


def _gemini_size(model: str, dimensions: Any) -> int:
    largest = 3072 if model.startswith("gemini-") else 768
    if dimensions is None:
        return largest
    if not 1 <= dimensions <= largest:
        refuse(f"output_dimensionality must be between 1 and {largest}.")
    return int(dimensions)
