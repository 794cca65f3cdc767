"""Sampling, limits and the form of the answer, in the fields that an upstream takes."""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request, ResponseFormat
from antigravity.protocols.instructions import json_instruction, says_json
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_chat.client_thinking_fields import is_at_rest
from antigravity.protocols.openai_chat.schema import SAMPLING_FIELDS

_MAX_STOP: Final = 4
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")
_PENALTIES: Final = ("presence_penalty", "frequency_penalty")


def sampling_fields(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the sampling parameters that the upstream takes."""
    sampling = request.sampling
    capabilities = target.capabilities
    fields: dict[str, Any] = {}
    able = capabilities.sampling or (
        capabilities.sampling_at_rest and is_at_rest(request, capabilities)
    )
    for field in SAMPLING_FIELDS:
        name, value = field.name, getattr(sampling, field.name)
        if value is None:
            continue
        if field.randomness and not (able and (capabilities.penalties or name not in _PENALTIES)):
            losses.add(f"sampling.{name}", "dropped: the model takes no sampling parameters")
        elif not field.usual and not target.takes(name):
            losses.add(f"sampling.{name}", "dropped: chat has no such field")
        else:
            fields[name] = value
    if fields.get("temperature", 0) > 1 and target.takes("low_temperature"):
        losses.add("sampling.temperature", "the temperature was cut to 1")
        fields["temperature"] = 1.0
    if "seed" in fields and target.takes("random_seed"):
        fields["random_seed"] = fields.pop("seed")
    fields |= _logprobs(request, target, losses)
    if sampling.n > 1:
        fields["n"] = min(sampling.n, capabilities.max_choices)
        if fields["n"] < sampling.n:
            losses.add("sampling.n", f"lowered to {fields['n']}, all that the target can do")
    return fields


def _logprobs(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the fields for log probabilities; their number counts only if they are requested."""
    wanted, top = request.sampling.logprobs, request.sampling.top_logprobs
    if not wanted:
        if top:
            losses.add("sampling.top_logprobs", "dropped: no log probabilities are asked for")
        known = wanted is False and target.capabilities.logprobs
        return {"logprobs": False} if known else {}
    if not target.capabilities.logprobs or not target.takes("logprobs", usual=True):
        losses.add("sampling.logprobs", "dropped: the target gives no log probabilities")
        return {}
    return {"logprobs": True} if top is None else {"logprobs": True, "top_logprobs": top}


def limit_fields(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return where the answer ends."""
    fields: dict[str, Any] = {}
    if request.stop:
        fields["stop"] = list(request.stop[:_MAX_STOP])
        if len(request.stop) > _MAX_STOP:
            losses.add("stop", f"cut to the first {_MAX_STOP}")
    limit, most = request.max_output_tokens, target.capabilities.max_output_tokens
    if limit is not None and most is not None and limit > most:
        losses.add("max_output_tokens", f"cut to {most}, all that the model can do")
        limit = most
    if limit == 0:
        losses.add("max_output_tokens", "raised to 1, the least that the protocol takes")
        limit = 1
    if limit is not None:
        new = "max_tokens" not in target.quirks and target.takes("max_completion_tokens")
        fields["max_completion_tokens" if new else "max_tokens"] = limit
    return fields


def form_fields(request: Request, target: Target, losses: Losses) -> tuple[dict[str, Any], str]:
    """Return the fields for the response format, and the instruction to add, if any."""
    fields: dict[str, Any] = {}
    form, hint = request.response_format, ""
    if form.kind == "schema" and target.takes("json_schema", usual=True):
        fields["response_format"] = {"type": "json_schema", "json_schema": _named_schema(form)}
    elif form.kind != "text":
        if form.kind == "schema":
            losses.add("response_format", "the schema became an instruction")
            hint = json_instruction(form)
        if target.takes("json_object", usual=True):
            fields["response_format"] = {"type": "json_object"}
            if not hint and not says_json(request, instructions=True):
                hint = json_instruction(form)
        elif form.kind == "json":
            losses.add("response_format", "the form of the answer became an instruction")
            hint = json_instruction(form)
    if request.image_config is not None:
        if target.takes("image_config"):
            fields["image_config"] = request.image_config
        else:
            losses.add("image_config", "dropped: chat has no such field")
    return fields, hint


def _named_schema(form: ResponseFormat) -> dict[str, Any]:
    schema: dict[str, Any] = {"name": _NOT_IN_NAMES.sub("_", form.name)[:64] or "response"}
    for name in ("description", "schema", "strict"):
        value = getattr(form, name)
        if value is not None:
            schema[name] = value
    return schema
