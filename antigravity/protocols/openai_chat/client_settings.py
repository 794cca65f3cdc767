"""Encodes sampling, limits and the response format in fields that the upstream accepts."""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request, ResponseFormat
from antigravity.protocols.instructions import json_instruction, mentions_json
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_chat.client_thinking_fields import is_thinking_off
from antigravity.protocols.openai_chat.schema import SAMPLING_FIELDS

_MAX_STOP: Final = 4
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")
_PENALTIES: Final = ("presence_penalty", "frequency_penalty")


def sampling_fields(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the sampling parameters that the upstream accepts."""
    sampling = request.sampling
    capabilities = target.capabilities
    fields: dict[str, Any] = {}
    accepted = capabilities.sampling or (
        capabilities.sampling_without_thinking and is_thinking_off(request, capabilities)
    )
    for field in SAMPLING_FIELDS:
        name, value = field.name, getattr(sampling, field.name)
        if value is None:
            continue
        supported = capabilities.penalties or name not in _PENALTIES
        if field.randomness and not (accepted and supported):
            losses.add(f"sampling.{name}", "dropped: the model accepts no sampling parameters")
        elif not field.usual and not target.accepts(name):
            losses.add(f"sampling.{name}", "dropped: the target has no such field")
        else:
            fields[name] = value
    if fields.get("temperature", 0) > 1 and target.accepts("low_temperature"):
        losses.add("sampling.temperature", "the temperature was cut to 1")
        fields["temperature"] = 1.0
    if "seed" in fields and target.accepts("random_seed"):
        fields["random_seed"] = fields.pop("seed")
    fields |= _logprobs(request, target, losses)
    if sampling.n > 1:
        fields["n"] = min(sampling.n, capabilities.max_choices)
        if fields["n"] < sampling.n:
            losses.add("sampling.n", f"lowered to {fields['n']}, the target's maximum")
    return fields


def _logprobs(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the fields for log probabilities; ``top_logprobs`` requires ``logprobs``."""
    logprobs, top = request.sampling.logprobs, request.sampling.top_logprobs
    if not logprobs:
        if top:
            losses.add("sampling.top_logprobs", "dropped: log probabilities were not requested")
        known = logprobs is False and target.capabilities.logprobs
        return {"logprobs": False} if known else {}
    if not target.capabilities.logprobs or not target.accepts("logprobs", usual=True):
        losses.add("sampling.logprobs", "dropped: the target has no log probabilities")
        return {}
    return {"logprobs": True} if top is None else {"logprobs": True, "top_logprobs": top}


def limit_fields(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the stop sequences and the limit of the output."""
    fields: dict[str, Any] = {}
    if request.stop:
        fields["stop"] = list(request.stop[:_MAX_STOP])
        if len(request.stop) > _MAX_STOP:
            losses.add("stop", f"cut to the first {_MAX_STOP}")
    limit, maximum = request.max_output_tokens, target.capabilities.max_output_tokens
    if limit is not None and maximum is not None and limit > maximum:
        losses.add("max_output_tokens", f"cut to {maximum}, the model's maximum")
        limit = maximum
    if limit == 0:
        losses.add("max_output_tokens", "raised to 1, the protocol's minimum")
        limit = 1
    if limit is not None:
        new = "max_tokens" not in target.quirks and target.accepts("max_completion_tokens")
        fields["max_completion_tokens" if new else "max_tokens"] = limit
    return fields


def format_fields(request: Request, target: Target, losses: Losses) -> tuple[dict[str, Any], str]:
    """Return the fields for the response format, and the instruction to add, if any."""
    fields: dict[str, Any] = {}
    response_format, hint = request.response_format, ""
    if response_format.kind == "schema" and target.accepts("json_schema", usual=True):
        fields["response_format"] = {
            "type": "json_schema",
            "json_schema": _named_schema(response_format),
        }
    elif response_format.kind != "text":
        if response_format.kind == "schema":
            losses.add("response_format", "the schema became an instruction")
            hint = json_instruction(response_format)
        if target.accepts("json_object", usual=True):
            fields["response_format"] = {"type": "json_object"}
            if not hint and not mentions_json(request, instructions=True):
                hint = json_instruction(response_format)
        elif response_format.kind == "json":
            losses.add("response_format", "the response format became an instruction")
            hint = json_instruction(response_format)
    if request.image_config is not None:
        if target.accepts("image_config"):
            fields["image_config"] = request.image_config
        else:
            losses.add("image_config", "dropped: the target has no such field")
    return fields, hint


def _named_schema(response_format: ResponseFormat) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "name": _NOT_IN_NAMES.sub("_", response_format.name)[:64] or "response"
    }
    for name in ("description", "schema", "strict"):
        value = getattr(response_format, name)
        if value is not None:
            schema[name] = value
    return schema
