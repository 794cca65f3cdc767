"""Encodes requests for an upstream."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.interfaces.protocols import EncodedRequest
from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request
from antigravity.protocols.anthropic.client_binding import release_thinking
from antigravity.protocols.anthropic.client_cache import add_breakpoints
from antigravity.protocols.anthropic.client_content import Turn, text_block, turns
from antigravity.protocols.anthropic.client_schema import fit_schema
from antigravity.protocols.anthropic.client_thinking_plan import (
    ThinkingPlan,
    fit_budget,
    plan_thinking,
)
from antigravity.protocols.anthropic.client_tools import wire_choice, wire_tools
from antigravity.protocols.anthropic.server_request import MESSAGE_FIELDS, OWN_EXTENSIONS
from antigravity.protocols.identifiers import ANTHROPIC_MAX, short_identifier
from antigravity.protocols.instructions import json_instruction, with_visible_end
from antigravity.protocols.losses import Losses

#: ``max_tokens``, which the API requires, if neither the client nor the model's data has a limit.
DEFAULT_MAX_TOKENS: Final = 32_000

_COUNTED: Final = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"}
)
_FIXED: Final = frozenset({"model", "messages", "stream", "max_tokens"})
_LOWEST_TOP_P: Final = 0.95  # while thinking


def encode_request(request: Request, target: Target) -> EncodedRequest:
    """Return the body of a streaming request."""
    losses = Losses()
    body, betas = _body(request, target, losses)
    add_breakpoints(body, request, target)
    return EncodedRequest(msgspec.json.encode(body), losses.all(), betas)


def encode_count(request: Request, target: Target) -> EncodedRequest:
    """Return the body of a request to count tokens."""
    losses = Losses()
    body, betas = _body(request, target, losses)
    counted = {name: value for name, value in body.items() if name in _COUNTED}
    return EncodedRequest(msgspec.json.encode(counted), losses.all(), betas)


def _body(
    request: Request, target: Target, losses: Losses
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body, and the betas that it needs."""
    capabilities = target.capabilities
    request = with_visible_end(request, losses)
    reasoning = target.reasoning_history
    if reasoning == "required" and request.thinking.mode == "off":
        reasoning = "recommended"
    conversation = turns(request.messages, losses, reasoning)
    thinking = plan_thinking(request, capabilities, losses)
    tools = wire_tools(request, capabilities, losses)
    choice, instruction = wire_choice(request, capabilities, losses) if tools else (None, "")
    if thinking.active and choice is not None and choice["type"] in ("any", "tool"):
        thinking.switch_off("a tool call cannot be forced while the model thinks", losses)
    if thinking.budgeted and _lacks_thinking(conversation):
        thinking.switch_off("the last tool call lacks its signed thinking", losses)
    max_tokens = _max_tokens(request, target, losses)
    fit_budget(thinking, max_tokens, losses)
    _finish_prefill(conversation, thinking, target, losses)
    betas = release_thinking(conversation, thinking, target, losses)
    body: dict[str, Any] = {
        "model": target.model,
        "max_tokens": max_tokens,
        "stream": request.stream,
    }
    if system := [text_block(text) for text in request.system if text.text.strip()]:
        body["system"] = system
    if instruction:
        body.setdefault("system", []).append({"type": "text", "text": instruction})
    if tools:
        body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = choice
    body["messages"] = [{"role": turn.role, "content": turn.blocks} for turn in conversation]
    if thinking.field is not None:
        body["thinking"] = thinking.field
    if config := _output_config(request, thinking, target, body, losses):
        body["output_config"] = config
    _add_sampling(body, request, thinking, target, losses)
    if stop := [text for text in request.stop if text.strip()]:
        body["stop_sequences"] = stop
    if len(stop) < len(request.stop):
        losses.add("stop", "a stop sequence of white space was dropped")
    _add_metadata(body, request)
    _add_extensions(body, request, thinking, losses)
    _report_unsupported(request, losses)
    return body, betas


def _max_tokens(request: Request, target: Target, losses: Losses) -> int:
    limit = target.capabilities.max_output_tokens
    requested = request.max_output_tokens
    if requested is None:
        return limit or DEFAULT_MAX_TOKENS
    if limit is not None and requested > limit:
        losses.add("max_output_tokens", f"the limit was cut to the model's {limit}")
        return limit
    return requested


def _lacks_thinking(conversation: list[Turn]) -> bool:
    """Return whether the last turn has results of calls whose turn does not begin with thinking.

    The API refuses such a conversation while thinking is enabled.
    """
    if len(conversation) < 2 or not conversation[-1].has("tool_result"):
        return False
    return not conversation[-2].begins_with_thinking


def _finish_prefill(
    conversation: list[Turn], thinking: ThinkingPlan, target: Target, losses: Losses
) -> None:
    """Drop an assistant prefill that the model does not accept; strip the end of another."""
    last = conversation[-1]
    if last.role != "assistant" or last.has("server_tool_use"):
        return
    if not target.capabilities.prefill or thinking.active:
        detail = "the assistant prefill was dropped: the model does not accept one"
        losses.add("messages", detail, content=True)
        conversation.pop()
        return
    final = last.blocks[-1]
    if final["type"] == "text":
        final["text"] = final["text"].rstrip()


def _output_config(
    request: Request,
    thinking: ThinkingPlan,
    target: Target,
    body: dict[str, Any],
    losses: Losses,
) -> dict[str, Any]:
    """Return ``output_config``; a response format that it cannot hold becomes an instruction."""
    config: dict[str, Any] = {}
    own = request.extensions.get("output_config") if request.protocol == "anthropic" else None
    if isinstance(own, dict):
        config.update(own)
    if thinking.effort is not None:
        config["effort"] = thinking.effort
    response_format = request.response_format
    if response_format.kind == "text":
        return config
    capabilities = target.capabilities
    supported = capabilities.structured_output and (
        not request.tools or capabilities.structured_output_with_tools
    )
    if response_format.kind == "schema" and response_format.schema is not None and supported:
        schema, lost = fit_schema(response_format.schema)
        config["format"] = {"type": "json_schema", "schema": schema}
        if lost:
            names = ", ".join(sorted(lost))
            losses.add("response_format", f"schema keywords that are not enforced: {names}")
        return config
    instruction = {"type": "text", "text": json_instruction(response_format)}
    body.setdefault("system", []).append(instruction)
    losses.add("response_format", "the response format became an instruction")
    return config


def _add_sampling(
    body: dict[str, Any],
    request: Request,
    thinking: ThinkingPlan,
    target: Target,
    losses: Losses,
) -> None:
    sampling = request.sampling
    temperature, top_p, top_k = sampling.temperature, sampling.top_p, sampling.top_k
    given = [
        name for name in ("temperature", "top_p", "top_k") if getattr(sampling, name) is not None
    ]
    if not target.capabilities.sampling:
        for name in given:
            losses.add(f"sampling.{name}", "dropped: the model accepts no sampling parameters")
        return
    if temperature is not None and temperature > 1:
        losses.add("sampling.temperature", "the temperature was cut to 1")
        temperature = 1.0
    if thinking.active:
        if temperature not in (None, 1):
            losses.add("sampling.temperature", "dropped: thinking allows no temperature but 1")
        if top_k is not None:
            losses.add("sampling.top_k", "dropped: thinking does not allow top_k")
        if top_p is not None and top_p < _LOWEST_TOP_P:
            losses.add("sampling.top_p", f"dropped: thinking allows no top_p below {_LOWEST_TOP_P}")
            top_p = None
        temperature, top_k = (1.0 if temperature == 1 else None), None
    one_of_them = not target.capabilities.sampling_together or request.protocol != "anthropic"
    if temperature is not None and top_p is not None and one_of_them:
        losses.add("sampling.top_p", "dropped: only one of temperature and top_p can be sent")
        top_p = None
    values = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
    body.update({name: value for name, value in values.items() if value is not None})


def _add_metadata(body: dict[str, Any], request: Request) -> None:
    metadata = dict(request.metadata) if request.protocol == "anthropic" else {}
    if request.user:
        metadata["user_id"] = short_identifier(request.user, ANTHROPIC_MAX)
    if metadata:
        body["metadata"] = metadata


def _add_extensions(
    body: dict[str, Any], request: Request, thinking: ThinkingPlan, losses: Losses
) -> None:
    """Add the extensions, if they are those of a client of this protocol."""
    if request.protocol != "anthropic":
        return
    for name, value in request.extensions.items():
        if name in OWN_EXTENSIONS or name in _FIXED or name == "output_config":
            continue
        body[name] = value
    if MESSAGE_FIELDS in request.extensions:
        losses.add("messages", "settings of individual messages were dropped")
    management = body.get("context_management")
    if isinstance(management, dict) and not thinking.active:
        _drop_thinking_edits(body, management, losses)


def _drop_thinking_edits(body: dict[str, Any], management: dict[str, Any], losses: Losses) -> None:
    """Drop the edits of ``context_management`` that the API refuses without thinking."""
    edits = management.get("edits")
    if not isinstance(edits, list):
        return
    others = [
        edit
        for edit in edits
        if not (isinstance(edit, dict) and str(edit.get("type")).startswith("clear_thinking"))
    ]
    if len(others) == len(edits):
        return
    losses.add("extensions.context_management", "edits of thinking were dropped with the thinking")
    if others:
        body["context_management"] = {**management, "edits": others}
    else:
        del body["context_management"]


def _report_unsupported(request: Request, losses: Losses) -> None:
    """Report the settings that this protocol has no field for."""
    for name in ("seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"):
        if getattr(request.sampling, name):
            losses.add(f"sampling.{name}", "dropped: this protocol has no such field")
    for name in ("verbosity", "service_tier", "image_config", "audio_config"):
        if getattr(request, name):
            losses.add(name, "dropped: this protocol has no such field")
    for kind in request.modalities:
        if kind != "text":
            losses.add("modalities", f"dropped: the model cannot generate {kind}", content=True)
