"""Errors, token counts and models in the format of all OpenAI protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from antigravity.ir.call import Call, HttpReply
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import (
    AuthenticationError,
    ContextLengthError,
    GatewayError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitedError,
)
from antigravity.ir.media import FileReference, InlineData, MediaSource, UrlSource
from antigravity.ir.usage import Usage
from antigravity.protocols.codex_models import VERSION, encode_codex_models
from antigravity.protocols.replies import error_reply, json_reply
from antigravity.sse import encode_event

#: The most characters of a model's text that an error message quotes.
_MODEL_TEXT: Final = 300


def error_object(error: GatewayError) -> dict[str, Any]:
    """Return the ``error`` object of a body or of a stream."""
    kind, code = _kind(error)
    return {
        "message": error.message,
        "type": kind,
        "param": error.param,
        "code": error.code or code,
    }


def _kind(error: GatewayError) -> tuple[str, str | None]:
    """Return OpenAI's type of an error, and the code for an error without one."""
    match error:
        case ContextLengthError():
            return "invalid_request_error", "context_length_exceeded"
        case AuthenticationError():
            return "authentication_error", "invalid_api_key"
        case PermissionDeniedError():
            return "permission_error", None
        case NotFoundError():
            return "invalid_request_error", "model_not_found"
        case QuotaExhaustedError():
            return "insufficient_quota", "insufficient_quota"
        case RateLimitedError():
            return "rate_limit_error", "rate_limit_exceeded"
        case _ if error.status < 500:
            return "invalid_request_error", None
        case _:
            return "server_error", None


def encode_error(error: GatewayError, request_id: str) -> HttpReply:
    """Return the reply for an error."""
    return error_reply(error, {"error": error_object(error)})


def error_event(error: GatewayError) -> bytes:
    """Return the last event of a failed stream of named events."""
    body = {"type": "error", "error": error_object(error)}
    return encode_event(b"error", msgspec.json.encode(body))


def completion_usage(usage: Usage) -> dict[str, Any]:
    """Return token counts for both completion protocols."""
    prompt = {"cached_tokens": usage.cached, "audio_tokens": usage.audio_input}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
        },
    }


def model_object(model: Model) -> dict[str, Any]:
    """Return one entry of the list of models."""
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by or "antigravity",
    }


def encode_models(models: Sequence[Model], call: Call) -> HttpReply:
    """Return the list of models, which Codex reads in a form of its own."""
    body: dict[str, Any] = {"object": "list", "data": [model_object(model) for model in models]}
    version = call.query.get(VERSION)
    if version is not None:
        body["models"] = encode_codex_models(models, version)
    return json_reply(body)


def encode_model(model: Model, call: Call) -> HttpReply:
    """Return one model."""
    return json_reply(model_object(model))


def model_text(text: str) -> str:
    """Return text of a model in place of the requested output, for an error message."""
    text = text.strip()
    if len(text) > _MODEL_TEXT:
        text = text[:_MODEL_TEXT] + "…"
    return f" It said: {text}" if text else ""


def media_as_text(mime_type: str, source: MediaSource) -> str:
    """Return the text that replaces media which the protocol cannot express."""
    match source:
        case UrlSource(address) | FileReference(address):
            return address
        case InlineData():
            kind = mime_type.partition("/")[0] or "file"
            return f"[{kind} left out: this protocol has no form for it]"
