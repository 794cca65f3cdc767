"""Encodes whole responses, token counts and models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from antigravity.ir.call import Call, HttpReply, ReplyContext, TokenCount
from antigravity.ir.capabilities import Capabilities, Model
from antigravity.ir.events import Finish
from antigravity.ir.response import Choice, Response, unfold
from antigravity.protocols.gemini import token_counts
from antigravity.protocols.gemini.request_reader import reject
from antigravity.protocols.gemini.server_candidate import (
    Candidate,
    WirePart,
    add_part,
    shows_thoughts,
)
from antigravity.protocols.gemini.server_stream import identity
from antigravity.protocols.replies import json_reply, page_number

#: The largest and default number of models on a page.
_LARGEST_PAGE: Final = 1000
_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")
_EMBEDDING_METHODS: Final = ("embedContent",)


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return a ``GenerateContentResponse``."""
    thoughts = shows_thoughts(context.request)
    return json_reply(
        {
            "candidates": [
                _candidate(choice, index, thoughts) for index, choice in enumerate(response.choices)
            ],
            "usageMetadata": token_counts.to_wire(response.usage),
            **identity(response.id, response.model, context),
        }
    )


def _candidate(choice: Choice, index: int, thoughts: bool) -> dict[str, Any]:
    finish = Finish(choice.finish, choice.stop_sequence, choice.native_finish)
    candidate = Candidate(index, thoughts=thoughts, finish=finish)
    parts: list[WirePart] = []
    for event in unfold(choice):
        part = candidate.part(event)
        if part is not None:
            add_part(parts, part)
    return candidate.encode_last(parts)


def encode_count(count: TokenCount, call: Call) -> HttpReply:
    """Return a ``CountTokensResponse``."""
    cached = {"cachedContentTokenCount": count.cached} if count.cached else {}
    return json_reply({"totalTokens": count.input_tokens, **cached})


def encode_models(models: Sequence[Model], call: Call) -> HttpReply:
    """Return a page of the list of models.

    :raises InvalidRequestError: if the page's size or token is not valid.
    """
    size = _number(call, "pageSize", "page_size") or _LARGEST_PAGE
    start = _number(call, "pageToken", "page_token")
    end = start + min(size, _LARGEST_PAGE)
    page: dict[str, Any] = {"models": [model_object(model) for model in models[start:end]]}
    if end < len(models):
        page["nextPageToken"] = str(end)
    return json_reply(page)


def _number(call: Call, *names: str) -> int:
    """Return the first given query parameter as a number, else 0."""
    for name in names:
        value = call.query.get(name)
        if value:
            number = page_number(value)
            if number is None:
                raise reject(f"$.{names[0]}", f"{value!r} is not a number.")
            return number
    return 0


def encode_model(model: Model, call: Call) -> HttpReply:
    """Return one model."""
    return json_reply(model_object(model))


def model_object(model: Model) -> dict[str, Any]:
    """Return a ``Model``; its display name is the id, because users type that."""
    capabilities = model.capabilities
    output_limit = model.output_token_limit or capabilities.max_output_tokens
    optional = {
        "description": model.display_name or None,
        "inputTokenLimit": model.input_token_limit or capabilities.context_window,
        "outputTokenLimit": 1 if capabilities.embedding else output_limit,
    }
    return {
        "name": f"models/{model.id}",
        "baseModelId": model.id,
        "version": "001",
        "displayName": model.id,
        **{key: value for key, value in optional.items() if value is not None},
        "supportedGenerationMethods": _methods(capabilities),
        "thinking": capabilities.thinking != "none",
    }


def _methods(capabilities: Capabilities) -> tuple[str, ...]:
    """Return the methods of a model; one with image output is also served as Imagen."""
    if capabilities.embedding:
        return _EMBEDDING_METHODS
    return (*_METHODS, "predict") if "image" in capabilities.outputs else _METHODS
