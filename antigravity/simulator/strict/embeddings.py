"""What the services refuse of requests for vectors; pure."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from antigravity.simulator.embeddings import Input
from antigravity.simulator.faults import ApiError
from antigravity.simulator.strict.chat import check_model as check_openai_model
from antigravity.simulator.strict.gemini_fields import Reader
from antigravity.simulator.strict.gemini_models import invalid
from antigravity.simulator.strict.openai_schema import missing, one_of
from antigravity.simulator.strict.refusal import refuse, words

_FIELDS: Final = words("model input dimensions encoding_format user")
_MOST: Final = 2048
_LONGEST: Final = 8192
_MOST_TOKENS: Final = 300_000
_SIZES: Final = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
_BATCH: Final = 100
TASKS: Final = (
    "TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY",
    "CLASSIFICATION", "CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
)  # fmt: skip


def check_openai(body: dict[str, Any]) -> list[Input]:
    """Return the inputs of a legal request.

    :raises ApiError: as the service words it.
    """
    model = check_openai_model(body)
    found = [name for name in body if name not in _FIELDS]
    if found:
        refuse(f"Unrecognized request argument supplied: {', '.join(found)}")
    if "embed" not in model:
        raise ApiError(403, "You are not allowed to generate embeddings from this model")
    if "input" not in body:
        missing("input")
    if body.get("encoding_format") is not None:
        one_of(body["encoding_format"], ("float", "base64"), "encoding_format")
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


def _openai_size(model: str, wanted: Any) -> int:
    largest = next((size for name, size in _SIZES.items() if model.startswith(name)), None)
    if wanted is None:
        return largest or 1536
    if largest is None:
        refuse("This model does not support specifying dimensions.")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        refuse("Invalid type for 'dimensions': expected a positive integer.", "dimensions")
    if wanted > largest:
        refuse(
            f"Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {largest}.",
            "dimensions",
        )
    return wanted


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


def _openai_input(value: Any, size: int) -> Input:
    if isinstance(value, str) and value:
        return Input(value, size)
    if isinstance(value, list) and value and all(map(_is_token, value)):
        return Input(f"tokens {value}", size, tokens=len(value))
    return _wrong_input()


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong_input() -> NoReturn:
    refuse(
        "'$.input' is invalid. Please check the API reference: "
        "https://platform.openai.com/docs/api-reference."
    )


def check_gemini(model: str, raw: dict[str, Any], batch: bool) -> list[Input]:
    """Return the inputs of a legal request.

    :raises ApiError: as the service words it.
    """
    body = Reader().read("EmbedBatch" if batch else "EmbedRequest", raw)
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
        invalid("* BatchEmbedContentsRequest.requests: requests must not be empty\n")
    if len(requests) > _BATCH:
        invalid(
            f"* BatchEmbedContentsRequest.requests: at most {_BATCH} requests can be in one batch\n"
        )
    for index, each in enumerate(requests):
        if each.get("model", "").removeprefix("models/") != model:
            invalid(
                f"* BatchEmbedContentsRequest.requests[{index}].model: model must match the model "
                "of the batch\n"
            )
    return [_gemini_input(model, each) for each in requests]


def _gemini_input(model: str, body: dict[str, Any]) -> Input:
    config = {**body, **(body.get("embedContentConfig") or {})}
    parts = (body.get("content") or {}).get("parts")
    if not parts:
        invalid("* EmbedContentRequest.content: contents is not specified\n")
    task = _task(config.get("taskType"))
    if config.get("title") and task != "RETRIEVAL_DOCUMENT":
        invalid("* EmbedContentRequest.title: title is only for task_type RETRIEVAL_DOCUMENT\n")
    texts, media = [], []
    for part in parts:
        blob = part.get("inlineData") or part.get("fileData")
        if blob is not None:
            if not model.startswith("gemini-embedding-2"):
                invalid("The model does not support inputs other than text.")
            media.append(blob.get("data") or blob.get("fileUri", ""))
        elif not part.get("text"):
            invalid("* EmbedContentRequest.content contains an empty Part.\n")
        else:
            texts.append(part["text"])
    size = _gemini_size(model, config.get("outputDimensionality"))
    return Input("\n".join(texts), size, task, config.get("title", ""), tuple(media))


def _gemini_size(model: str, wanted: Any) -> int:
    largest = 3072 if model.startswith("gemini-") else 768
    if wanted is None:
        return largest
    if not 1 <= wanted <= largest:
        invalid(f"output_dimensionality must be between 1 and {largest}.")
    return int(wanted)


def _task(value: Any) -> str:
    named = TASKS[value] if isinstance(value, int) and 0 <= value < len(TASKS) else value
    if named in (None, TASKS[0]):
        return ""
    if named not in TASKS:
        invalid(
            "Invalid value at 'task_type' (type.googleapis.com/"
            f'google.ai.generativelanguage.v1beta.TaskType), "{named}"'
        )
    return str(named)
