"""Decodes whole responses of an upstream: token counts, models and usage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from antigravity.ir.capabilities import THINKS, Capabilities, Model, Reported
from antigravity.ir.errors import UpstreamError
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.gemini import client_schema, token_counts


class _Count(Struct, rename="camel"):
    total_tokens: int | None = None


class _Model(Struct, rename="camel"):
    name: str = ""
    display_name: str | None = None
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    supported_generation_methods: list[str] | None = None
    thinking: bool | None = None


class _Models(Struct):
    models: list[_Model]


def _decode(body: bytes, kind: Any, what: str) -> Any:
    try:
        return lenient.decode(body, kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UpstreamError(f"The upstream sent a malformed {what}: {error}.") from error


def decode_count(body: bytes) -> int:
    """Return the tokens in a ``CountTokensResponse``.

    :raises UpstreamError: if it is malformed or has no count.
    """
    count: _Count = _decode(body, _Count, "token count")
    if count.total_tokens is None:
        raise UpstreamError("The upstream's token count is missing.")
    return count.total_tokens


def decode_models(body: bytes) -> Sequence[Model]:
    """Return the listed models that can generate content, images or embeddings.

    :raises UpstreamError: if the list is malformed.
    """
    listed: _Models = _decode(body, _Models, "list of models")
    return [
        Model(
            id=model.name.removeprefix("models/"),
            display_name=model.display_name or "",
            owned_by="google",
            input_token_limit=model.input_token_limit,
            output_token_limit=model.output_token_limit,
            capabilities=Capabilities(embedding=_only_embeds(model)),
            reported=_reported(model),
        )
        for model in listed.models
        if model.name
        and (
            model.supported_generation_methods is None
            or {"generateContent", "predict"} & set(model.supported_generation_methods)
            or _only_embeds(model)
        )
    ]


def _reported(model: _Model) -> tuple[Reported, ...]:
    if model.thinking is None:
        return ()
    return (Reported(THINKS, model.thinking, "thinking"),)


def _only_embeds(model: _Model) -> bool:
    """Return whether a model makes embeddings but no content."""
    methods = model.supported_generation_methods or ()
    return "embedContent" in methods and "generateContent" not in methods


def decode_usage(body: bytes) -> Usage | None:
    """Return the usage in a whole response, or the last one in an array of chunks."""
    try:
        responses = lenient.decode(
            body, list[client_schema.ResponseSummary] | client_schema.ResponseSummary
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    listed = responses if isinstance(responses, list) else [responses]
    for response in reversed(listed):
        if response.usage_metadata is not None:
            return token_counts.from_wire(response.usage_metadata)
    return None
