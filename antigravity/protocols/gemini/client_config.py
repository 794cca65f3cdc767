"""Encodes the settings of a request as ``generationConfig``."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Request, Sampling
from antigravity.protocols.gemini.json_schema.clean import clean
from antigravity.protocols.gemini.schema import SAMPLING_FIELDS, GenerationConfig
from antigravity.protocols.gemini.thinking import thinking_fields
from antigravity.protocols.losses import Losses

MAX_STOP: Final = 5
#: The fields of ``Sampling`` with their names on the wire.
_SAMPLING_FIELDS: Final = {
    field.name: field.encode_name
    for field in msgspec.structs.fields(GenerationConfig)
    if field.name in SAMPLING_FIELDS
}
_PENALTIES: Final = ("presencePenalty", "frequencyPenalty")


def encode_config(
    request: Request, capabilities: Capabilities, extensions: dict[str, Any], losses: Losses
) -> dict[str, Any]:
    """Return ``generationConfig`` with the settings of the client, and no defaults."""
    config: dict[str, Any] = {
        **_sampling(request, capabilities, losses),
        **_stop(request, losses),
        **thinking_fields(request, capabilities, losses),
        **_form(request, capabilities, losses),
        "responseModalities": [name.upper() for name in request.modalities] or None,
        "imageConfig": request.image_config,
        "speechConfig": request.audio_config,
    }
    if request.verbosity is not None:
        losses.add("verbosity", "Gemini has no such setting; it was dropped")
    more = extensions.get("generationConfig")
    config = {key: value for key, value in config.items() if value is not None}
    return {**config, **more} if isinstance(more, dict) else config


def _sampling(request: Request, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    sampling = request.sampling
    fields: dict[str, Any] = {
        wire_name: getattr(sampling, name) for name, wire_name in _SAMPLING_FIELDS.items()
    }
    if not capabilities.sampling and any(value is not None for value in fields.values()):
        losses.add("sampling", "the model does not accept sampling parameters; they were dropped")
        fields = {}
    elif not capabilities.penalties:
        for name in _PENALTIES:
            if fields.pop(name) is not None:
                losses.add("sampling", "the model does not accept penalties; they were dropped")
    fields |= _logprobs(sampling, capabilities, losses)
    if sampling.n > 1:
        count = min(sampling.n, capabilities.max_choices)
        if count < sampling.n:
            losses.add("sampling.n", f"the model returns at most {count} choices")
        fields["candidateCount"] = count
    return fields


def _logprobs(sampling: Sampling, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """Return the fields for log probabilities; their number matters only if they are requested."""
    if not sampling.logprobs:
        if sampling.top_logprobs:
            losses.add("sampling.top_logprobs", "dropped: log probabilities are not requested")
        return {"responseLogprobs": False} if sampling.logprobs is False else {}
    if not capabilities.logprobs:
        losses.add("sampling.logprobs", "dropped: the model does not return log probabilities")
        return {}
    return {"responseLogprobs": True, "logprobs": sampling.top_logprobs or None}


def _stop(request: Request, losses: Losses) -> dict[str, Any]:
    if len(request.stop) > MAX_STOP:
        losses.add("stop", f"only the first {MAX_STOP} stop sequences were kept")
    return {"stopSequences": list(request.stop[:MAX_STOP])} if request.stop else {}


def _form(request: Request, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    form = request.response_format
    if form.kind == "text":
        return {}
    fields: dict[str, Any] = {"responseMimeType": "application/json"}
    if form.kind == "schema" and form.schema is not None:
        if capabilities.raw_schema:
            fields["responseJsonSchema"] = form.schema
        else:
            cleaned = clean(form.schema)
            fields["responseSchema"] = cleaned.schema
            if cleaned.dropped:
                listed = ", ".join(sorted(cleaned.dropped))
                losses.add("response_format", f"schema keywords without a counterpart: {listed}")
    return fields
