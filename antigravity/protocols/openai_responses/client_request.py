"""Encodes a request for an upstream."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.interfaces.protocols import EncodedRequest
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Effort, Message, Request
from antigravity.ir.request_features import has_cache_breakpoints
from antigravity.ir.shared_extensions import shared_extensions
from antigravity.ir.thinking import nearest_effort, requested_effort
from antigravity.ir.tools import ToolChoice, WebSearchTool
from antigravity.protocols.identifiers import OPENAI_MAX, short_identifier
from antigravity.protocols.instructions import (
    OPENING,
    json_instruction,
    mentions_json,
    needs_opening,
    tool_instruction,
)
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_responses.client_items import ItemWriter
from antigravity.protocols.openai_responses.client_tools import encode_choice, encode_tools
from antigravity.protocols.openai_responses.schema import NAME, JsonObject, without_nulls
from antigravity.protocols.openai_responses.server_request import LOGPROBS, OWN_SETTINGS

_ENCRYPTED: Final = "reasoning.encrypted_content"
_SOURCES: Final = "web_search_call.action.sources"

#: Protocols whose clients send OpenAI's own settings.
_OPENAI: Final = frozenset((NAME, "openai_chat"))

#: Fields that no quirk can drop.
_REQUIRED: Final = frozenset(("model", "input", "stream"))
#: Fields that do not affect the response; they are dropped without a warning.
_HINTS: Final = frozenset(("user", "prompt_cache_key", "safety_identifier", "store"))

#: Extensions that the gateway itself handles.
_HANDLED: Final = frozenset(
    ("background", "include", "previous_response_id", "store", OWN_SETTINGS)
)

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")

#: The lowest limit of the output that OpenAI accepts.
_MIN_OUTPUT: Final = 16


def encode(request: Request, target: Target) -> EncodedRequest:
    """Return the body of a request that the upstream doesn't store."""
    losses = Losses()
    own = request.protocol == NAME
    request = _add_instructions(request, target, losses)
    settings: JsonObject = request.extensions.get(OWN_SETTINGS, {}) if own else {}
    items = ItemWriter(losses)
    items.add(request.messages)
    body: JsonObject = {
        "model": target.model,
        "instructions": "\n\n".join(text.text for text in request.system) or None,
        "input": items.items,
        "stream": request.stream,
        "store": False,
        "max_output_tokens": _limit(request, target.capabilities, losses),
        "parallel_tool_calls": request.parallel_tool_calls,
        "prompt_cache_key": _short(request.prompt_cache_key),
        "text": _text(request, target, losses),
        "reasoning": _reasoning(request, target.capabilities, settings, losses),
        **_sampling(request, target.capabilities, losses),
        **_tools(request, settings, losses),
        **_identity(request),
        "include": _include(request, target.capabilities) or None,
    }
    if has_cache_breakpoints(request):
        losses.add("cache", "dropped: OpenAI caches without breakpoints")
    _report_unsupported(request, losses)
    extensions = request.extensions if own else shared_extensions(request, NAME)
    if extensions:
        body = {**_extensions(extensions, losses), **without_nulls(body)}
    body = without_nulls(body)
    _drop_refused(body, target, losses)
    return EncodedRequest(msgspec.json.encode(body), losses.all())


def _add_instructions(request: Request, target: Target, losses: Losses) -> Request:
    """Return the request with added instructions, and with a user turn."""
    messages = request.messages
    response_format, choice = request.response_format, request.tool_choice
    if response_format.kind == "json" and not mentions_json(request, instructions=False):
        messages = (_system_message(json_instruction(response_format)), *messages)
    if choice is not None and choice.mode == "required" and not _forces(target):
        losses.add("tool_choice", "the forced tool call became an instruction")
        messages = (_system_message(tool_instruction(choice)), *messages)
        request = replace(request, tool_choice=ToolChoice("auto", choice.names))
    wants_user = target.accepts("user_turn", usual=target.capabilities.family != "openai")
    if not messages or (wants_user and needs_opening(messages)):
        losses.add("messages", "a user turn was added: the request had only instructions")
        messages = (*messages, Message("user", (Text(OPENING),)))
    return replace(request, messages=messages)


def _system_message(instruction: str) -> Message:
    return Message("system", (Text(instruction),))


def _forces(target: Target) -> bool:
    """Return whether the target can force the model to call a tool."""
    return target.capabilities.forced_tools and target.accepts("tool_choice_required", usual=True)


def _drop_refused(body: JsonObject, target: Target, losses: Losses) -> None:
    """Remove the fields that the target refuses."""
    for name in sorted(target.refused_features().intersection(body) - _REQUIRED):
        del body[name]
        if name not in _HINTS:
            losses.add(name, "dropped: the target refuses it")


def _limit(request: Request, capabilities: Capabilities, losses: Losses) -> int | None:
    """Return the limit of the output within the protocol's minimum and the model's maximum."""
    limit, maximum = request.max_output_tokens, capabilities.max_output_tokens
    if limit is not None and limit < _MIN_OUTPUT:
        losses.add("max_output_tokens", f"raised to {_MIN_OUTPUT}, the protocol's minimum")
        return _MIN_OUTPUT
    if limit is None or maximum is None or limit <= maximum:
        return limit
    losses.add("max_output_tokens", f"cut to {maximum}, the model's maximum")
    return maximum


def _short(key: str | None) -> str | None:
    """Return a key, shortened in a stable way if it is too long for the protocol."""
    return None if key is None else short_identifier(key, OPENAI_MAX)


def _identity(request: Request) -> JsonObject:
    """Return the fields about the client; other protocols' metadata and tiers differ in meaning."""
    fields: JsonObject = {}
    if request.user != request.extensions.get("safety_identifier"):
        fields["user"] = _short(request.user)
    if request.protocol in _OPENAI:
        fields["metadata"] = request.metadata or None
        fields["service_tier"] = request.service_tier
    return fields


def _extensions(extensions: dict[str, Any], losses: Losses) -> JsonObject:
    """Return the extensions as fields of the body."""
    for name in ("background", "previous_response_id"):
        if extensions.get(name) not in (None, False):
            losses.add(name, "dropped: the upstream stores no responses for the gateway")
    fields = {name: value for name, value in extensions.items() if name not in _HANDLED}
    identifier = fields.get("safety_identifier")
    if isinstance(identifier, str):
        fields["safety_identifier"] = _short(identifier)
    return fields


def _include(request: Request, capabilities: Capabilities) -> list[str]:
    include = (
        dict.fromkeys(request.extensions.get("include") or ()) if request.protocol == NAME else {}
    )
    if capabilities.thinking != "none":
        include[_ENCRYPTED] = None
    elif capabilities.family == "openai":
        include.pop(_ENCRYPTED, None)  # "Encrypted content is not supported with this model."
    if any(isinstance(tool, WebSearchTool) for tool in request.tools):
        include[_SOURCES] = None
    if request.sampling.logprobs and capabilities.logprobs:
        include[LOGPROBS] = None
    else:
        include.pop(LOGPROBS, None)
    return list(include)


def _text(request: Request, target: Target, losses: Losses) -> JsonObject | None:
    response_format, verbosity = request.response_format, request.verbosity
    if verbosity is not None and not target.accepts("verbosity", usual=True):
        losses.add("verbosity", "dropped: the model or its upstream does not accept it")
        verbosity = None
    text: JsonObject = {"verbosity": verbosity}
    if response_format.kind == "json":
        text["format"] = {"type": "json_object"}
    elif response_format.kind == "schema":
        text["format"] = without_nulls(
            {
                "type": "json_schema",
                "name": _NOT_IN_NAMES.sub("_", response_format.name)[:64] or "response",
                "description": response_format.description,
                "schema": response_format.schema or {},
                "strict": response_format.strict,
            }
        )
    return without_nulls(text) or None


def _sampling(request: Request, capabilities: Capabilities, losses: Losses) -> JsonObject:
    sampling = request.sampling
    fields: JsonObject = {}
    effort = requested_effort(request.thinking)
    thinking_off = effort == "none" or (effort is None and not capabilities.thinks_by_default)
    accepted = capabilities.sampling or (capabilities.sampling_without_thinking and thinking_off)
    for name in ("temperature", "top_p"):
        value = getattr(sampling, name)
        if value is not None and not accepted:
            losses.add(f"sampling.{name}", "dropped: the model does not accept it")
        else:
            fields[name] = value
    for name in ("top_k", "seed", "presence_penalty", "frequency_penalty"):
        if getattr(sampling, name) is not None:
            losses.add(f"sampling.{name}", "dropped: this protocol has no such field")
    if sampling.logprobs:
        if capabilities.logprobs:
            fields["top_logprobs"] = sampling.top_logprobs or None  # `include` requests them
        else:
            losses.add("sampling.logprobs", "dropped: the model has no log probabilities")
    if sampling.n > 1:
        losses.add("sampling.n", "lowered to 1: this protocol has no choices")
    return fields


def _tools(request: Request, settings: JsonObject, losses: Losses) -> JsonObject:
    own = request.protocol == NAME
    tools = encode_tools(request.tools, settings, losses, own=own)
    fields: JsonObject = {"tools": tools or None}
    if request.tool_choice is not None and tools:
        fields["tool_choice"] = encode_choice(request.tool_choice, request.tools)
    return fields


def _report_unsupported(request: Request, losses: Losses) -> None:
    """Report the settings that this protocol has no field for."""
    if request.stop:
        losses.add("stop", "dropped: this protocol has no stop sequences")
    others = [kind for kind in request.modalities if kind != "text"]
    if others:
        detail = f"dropped: the model cannot generate {', '.join(others)}"
        losses.add("modalities", detail, content=True)
    for name in ("image_config", "audio_config"):
        if getattr(request, name) is not None:
            losses.add(name, "dropped: this protocol has no such field")


def _reasoning(
    request: Request, capabilities: Capabilities, settings: JsonObject, losses: Losses
) -> JsonObject | None:
    thinking = request.thinking
    if capabilities.thinking == "none":
        if thinking.mode in ("on", "adaptive"):
            losses.add("thinking", "dropped: the model does not support thinking")
        return None
    fields: JsonObject = dict(settings.get("reasoning", {}))
    effort = requested_effort(thinking)
    if effort is not None:
        fitting = _fit(effort, capabilities.efforts)
        if fitting != effort:
            losses.add("thinking.effort", f"effort {effort} became {fitting}")
        fields["effort"] = fitting
    fields["summary"] = thinking.summary or ("auto" if _wants_summary(request) else None)
    return without_nulls(fields) or None


def _wants_summary(request: Request) -> bool:
    """Return whether the client expects reasoning; clients of OpenAI request it explicitly."""
    thinking = request.thinking
    if thinking.include is None and request.protocol not in _OPENAI:
        return thinking.mode in ("on", "adaptive")
    return bool(thinking.include)


def _fit(effort: Effort, efforts: Sequence[Effort]) -> Effort:
    """Return the accepted effort nearest to ``effort``; without known efforts all are accepted."""
    options = [known for known in efforts if known != "none" or effort == "none"]
    return nearest_effort(effort, options or [effort])
