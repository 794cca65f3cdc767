"""Writes a request for an upstream.

Quirks of a target that are known here:

``no_stream_options``  the upstream refuses ``stream_options``
``max_tokens``         it wants ``max_tokens``, not ``max_completion_tokens``
``developer_role``     instructions go in messages of the role ``developer``
``reasoning_content``  it wants its thoughts back in ``reasoning_content``
``cache_control``      it takes Anthropic's cache breakpoints
``top_k``              it takes ``top_k``
``image_config``       it takes ``image_config``
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from antigravity.interfaces.protocols import Encoded
from antigravity.ir.capabilities import Target
from antigravity.ir.request import Effort, Request
from antigravity.protocols.openai_chat.client_messages import MessageWriter
from antigravity.protocols.openai_chat.client_tools import write_tools
from antigravity.protocols.openai_chat.losses import Losses
from antigravity.protocols.openai_chat.schema import NAME

_ORDER: Final[tuple[Effort, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_USUAL: Final[tuple[Effort, ...]] = ("low", "medium", "high")
_MAX_STOP: Final = 4
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")


def encode(request: Request, target: Target) -> Encoded:
    """Return the request as a streaming one."""
    losses = Losses()
    body: dict[str, Any] = {
        "model": target.model,
        "messages": MessageWriter(target, losses).messages(request),
        **write_tools(request, target, losses),
        **_sampling(request, target, losses),
        **_limits(request, target, losses),
        **_thinking(request, target, losses),
        **_form(request, target, losses),
        **_about_client(request, target, losses),
        "stream": True,
    }
    if "no_stream_options" not in target.quirks:
        body["stream_options"] = {"include_usage": True}
    _extend(body, request, losses)
    return Encoded(msgspec.json.encode(body), losses.all())


def _sampling(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    sampling = request.sampling
    capabilities = target.capabilities
    fields: dict[str, Any] = {}
    rests = capabilities.sampling_at_rest and _wanted_effort(request) in (None, "none")
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_k"):
        value = getattr(sampling, name)
        if value is None:
            continue
        if not (capabilities.sampling or rests):
            losses.add(f"sampling.{name}", "dropped: the target can't be told how to sample")
        elif name == "top_k" and name not in target.quirks:
            losses.add("sampling.top_k", "dropped: chat has no such field")
        else:
            fields[name] = value
    if sampling.seed is not None:
        fields["seed"] = sampling.seed
    for name in ("logprobs", "top_logprobs"):
        value = getattr(sampling, name)
        if value is None:
            continue
        if capabilities.logprobs:
            fields[name] = value
        elif value:
            losses.add(f"sampling.{name}", "dropped: the target gives no log probabilities")
    if sampling.n > 1:
        fields["n"] = min(sampling.n, capabilities.max_choices)
        if fields["n"] < sampling.n:
            losses.add("sampling.n", f"lowered to {fields['n']}, all that the target can do")
    return fields


def _limits(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if request.stop:
        fields["stop"] = list(request.stop[:_MAX_STOP])
        if len(request.stop) > _MAX_STOP:
            losses.add("stop", f"cut to the first {_MAX_STOP}")
    limit, most = request.max_output_tokens, target.capabilities.max_output_tokens
    if limit is not None and most is not None and limit > most:
        losses.add("max_output_tokens", f"cut to {most}, all that the model can do")
        limit = most
    if limit is not None:
        old = "max_tokens" in target.quirks
        fields["max_tokens" if old else "max_completion_tokens"] = limit
    return fields


def _thinking(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the effort whose name is nearest to what the client wants."""
    wanted = _wanted_effort(request)
    if wanted is None:
        return {}
    capabilities = target.capabilities
    allowed = capabilities.efforts
    if not allowed and capabilities.thinking != "none":
        allowed = _USUAL
    if not allowed:
        if wanted != "none":
            losses.add("thinking", "dropped: the target does not think on demand")
        return {}
    if wanted != "none":
        allowed = tuple(name for name in allowed if name != "none") or allowed
    place = _ORDER.index(wanted)
    nearest = min(allowed, key=lambda name: abs(_ORDER.index(name) - place))
    if nearest != request.thinking.effort and not (wanted == nearest == "none"):
        losses.add("thinking", f"sent as the effort {nearest}")
    return {"reasoning_effort": nearest}


def _wanted_effort(request: Request) -> Effort | None:
    thinking = request.thinking
    if thinking.mode == "off":
        return "none"
    if thinking.effort is not None:
        return thinking.effort
    if thinking.mode == "default" or thinking.budget is None or thinking.budget < 0:
        return None
    if thinking.budget < 2000:
        return "low"
    return "medium" if thinking.budget < 7000 else "high"


def _form(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the fields about the form of the answer."""
    fields: dict[str, Any] = {}
    form = request.response_format
    if form.kind == "json":
        fields["response_format"] = {"type": "json_object"}
    elif form.kind == "schema":
        schema: dict[str, Any] = {"name": _NOT_IN_NAMES.sub("_", form.name)[:64] or "response"}
        for name in ("description", "schema", "strict"):
            value = getattr(form, name)
            if value is not None:
                schema[name] = value
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.modalities:
        fields["modalities"] = list(request.modalities)
    if request.audio_config is not None:
        fields["audio"] = request.audio_config
    if request.image_config is not None:
        if "image_config" in target.quirks:
            fields["image_config"] = request.image_config
        else:
            losses.add("image_config", "dropped: chat has no such field")
    return fields


def _about_client(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return OpenAI's own fields about the client; other families' endpoints refuse them."""
    wanted: dict[str, Any] = {
        "user": request.user,
        "prompt_cache_key": request.prompt_cache_key,
        "service_tier": request.service_tier,
        "verbosity": request.verbosity,
    }
    fields = {name: value for name, value in wanted.items() if value is not None}
    if request.metadata:
        if request.protocol.startswith("openai"):
            fields["metadata"] = request.metadata
        else:
            losses.add("metadata", "dropped: it is another protocol's")
    if target.capabilities.family in ("gemini", "claude"):
        for name in fields:
            losses.add(name, "dropped: it is OpenAI's alone")
        return {}
    return fields


def _extend(body: dict[str, Any], request: Request, losses: Losses) -> None:
    """Add the fields that came in this protocol's own words."""
    for name, value in request.extensions.items():
        if request.protocol != NAME:
            losses.add(name, f"dropped: only {request.protocol} knows it")
        elif name == "web_search_options":
            if name in body:
                body[name] |= value
        else:
            body.setdefault(name, value)
