"""A request of the representation becomes the body for an upstream."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, get_args

import msgspec
from msgspec.structs import replace

from antigravity.interfaces.protocols import EncodedRequest
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Effort, Message, Request, ThinkingConfig
from antigravity.ir.request_features import has_cache_breakpoints
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
from antigravity.protocols.openai_responses.client_items import Items
from antigravity.protocols.openai_responses.client_tools import encode_choice, encode_tools
from antigravity.protocols.openai_responses.schema import NAME, JsonObject, without_nulls
from antigravity.protocols.openai_responses.server_request import LOGPROBS, NOTES

_ENCRYPTED: Final = "reasoning.encrypted_content"
_SOURCES: Final = "web_search_call.action.sources"
_EFFORTS: Final[tuple[Effort, ...]] = get_args(Effort)

#: Protocols whose clients mean OpenAI's own words by them.
_OPENAI: Final = frozenset((NAME, "openai_chat"))

#: Fields that no quirk takes away, and those that an answer does not depend on.
_KEPT: Final = frozenset(("model", "input", "stream"))
_HINTS: Final = frozenset(("user", "prompt_cache_key", "safety_identifier", "store"))

#: Extensions that are spoken to the gateway, which has acted on them.
_OURS: Final = frozenset(("store", "previous_response_id", NOTES, "include"))

#: Extensions that ask for what a streamed, unstored exchange can't do.
_IMPOSSIBLE: Final = {"background": "answered at once instead"}

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")

#: The lowest limit of the output that OpenAI takes.
_LEAST_OUTPUT: Final = 16


def encode(request: Request, target: Target) -> EncodedRequest:
    """Return the body of a streaming request that the upstream doesn't store."""
    losses = Losses()
    own = request.protocol == NAME
    request = _with_words(request, target, losses)
    notes: JsonObject = request.extensions.get(NOTES, {}) if own else {}
    items = Items(losses)
    items.add(request.messages)
    body: JsonObject = {
        "model": target.model,
        "instructions": "\n\n".join(text.text for text in request.system) or None,
        "input": items.items,
        "stream": True,
        "store": False,
        "max_output_tokens": _limit(request, target.capabilities, losses),
        "parallel_tool_calls": request.parallel_tool_calls,
        "prompt_cache_key": _short(request.prompt_cache_key),
        "text": _text(request, target, losses),
        "reasoning": _reasoning(request, target.capabilities, notes, losses),
        **_sampling(request, target.capabilities, losses),
        **_tools(request, target, notes, losses),
        **_identity(request),
        "include": _include(request, target.capabilities) or None,
    }
    if has_cache_breakpoints(request):
        losses.add("cache", "dropped: OpenAI caches on its own")
    _note_unsayable(request, losses)
    if own:
        body = {**_extensions(request.extensions, losses), **without_nulls(body)}
    body = without_nulls(body)
    _leave_out(body, target, losses)
    return EncodedRequest(msgspec.json.encode(body), losses.all())


def _with_words(request: Request, target: Target, losses: Losses) -> Request:
    """Return the request with the added instruction, and with an input."""
    messages = request.messages
    form, choice = request.response_format, request.tool_choice
    if form.kind == "json" and not mentions_json(request, instructions=False):
        messages = (_told(json_instruction(form)), *messages)
    if choice is not None and choice.mode == "required" and not _forces(target):
        losses.add("tool_choice", "the forced tool call became an instruction")
        messages = (_told(tool_instruction(choice)), *messages)
        request = replace(request, tool_choice=ToolChoice("auto", choice.names))
    wants_user = target.accepts("user_turn", usual=target.capabilities.family != "openai")
    if not messages or (wants_user and needs_opening(messages)):
        losses.add("messages", "a user turn was added: the request had only instructions")
        messages = (*messages, Message("user", (Text(OPENING),)))
    return replace(request, messages=messages)


def _told(words: str) -> Message:
    return Message("system", (Text(words),))


def _forces(target: Target) -> bool:
    """Return whether the model can be made to call a tool."""
    return target.capabilities.forced_tools and target.accepts("tool_choice_required", usual=True)


def _leave_out(body: JsonObject, target: Target, losses: Losses) -> None:
    """Take out the fields that the target refuses."""
    for name in sorted(target.refused_features().intersection(body) - _KEPT):
        del body[name]
        if name not in _HINTS:
            losses.add(name, "left out: the target refuses it")


def _limit(request: Request, capabilities: Capabilities, losses: Losses) -> int | None:
    """Return the limit of the output, within what the model can do."""
    limit, most = request.max_output_tokens, capabilities.max_output_tokens
    if limit is not None and limit < _LEAST_OUTPUT:
        losses.add(
            "max_output_tokens", f"raised to {_LEAST_OUTPUT}, the least that the protocol takes"
        )
        return _LEAST_OUTPUT
    if limit is None or most is None or limit <= most:
        return limit
    losses.add("max_output_tokens", f"cut to {most}, all that the model can do")
    return most


def _short(key: str | None) -> str | None:
    """Return a key, or a stable short one where it is too long for the wire."""
    return None if key is None else short_identifier(key, OPENAI_MAX)


def _identity(request: Request) -> JsonObject:
    """Return who asks; other protocols' metadata and tiers would mean something else here."""
    fields: JsonObject = {}
    if request.user != request.extensions.get("safety_identifier"):
        fields["user"] = _short(request.user)
    if request.protocol in _OPENAI:
        fields["metadata"] = request.metadata or None
        fields["service_tier"] = request.service_tier
    return fields


def _extensions(extensions: dict[str, Any], losses: Losses) -> JsonObject:
    for name, detail in _IMPOSSIBLE.items():
        if extensions.get(name):
            losses.add(name, detail)
    if extensions.get("previous_response_id") is not None:
        losses.add("previous_response_id", "left out: the upstream keeps no conversations for us")
    kept = {
        name: value
        for name, value in extensions.items()
        if name not in _OURS and name not in _IMPOSSIBLE
    }
    identifier = kept.get("safety_identifier")
    if isinstance(identifier, str):
        kept["safety_identifier"] = _short(identifier)
    return kept


def _include(request: Request, capabilities: Capabilities) -> list[str]:
    wanted = (
        dict.fromkeys(request.extensions.get("include") or ()) if request.protocol == NAME else {}
    )
    if capabilities.thinking != "none":
        wanted[_ENCRYPTED] = None
    elif capabilities.family == "openai":
        wanted.pop(_ENCRYPTED, None)  # "Encrypted content is not supported with this model."
    if any(isinstance(tool, WebSearchTool) for tool in request.tools):
        wanted[_SOURCES] = None
    if request.sampling.logprobs and capabilities.logprobs:
        wanted[LOGPROBS] = None
    else:
        wanted.pop(LOGPROBS, None)
    return list(wanted)


def _text(request: Request, target: Target, losses: Losses) -> JsonObject | None:
    wanted, verbosity = request.response_format, request.verbosity
    if verbosity is not None and not target.accepts("verbosity", usual=True):
        losses.add("verbosity", "left out: the model or its upstream does not take it")
        verbosity = None
    text: JsonObject = {"verbosity": verbosity}
    if wanted.kind == "json":
        text["format"] = {"type": "json_object"}
    elif wanted.kind == "schema":
        text["format"] = without_nulls(
            {
                "type": "json_schema",
                "name": _NOT_IN_NAMES.sub("_", wanted.name)[:64] or "response",
                "description": wanted.description,
                "schema": wanted.schema or {},
                "strict": wanted.strict,
            }
        )
    return without_nulls(text) or None


def _sampling(request: Request, capabilities: Capabilities, losses: Losses) -> JsonObject:
    sampling = request.sampling
    fields: JsonObject = {}
    effort = _wanted_effort(request.thinking)
    resting = effort == "none" or (effort is None and not capabilities.thinks_untold)
    rests = capabilities.sampling_at_rest and resting
    for name in ("temperature", "top_p"):
        value = getattr(sampling, name)
        if value is not None and not (capabilities.sampling or rests):
            losses.add(f"sampling.{name}", "left out: the model doesn't take it")
        else:
            fields[name] = value
    for name in ("top_k", "seed", "presence_penalty", "frequency_penalty"):
        if getattr(sampling, name) is not None:
            losses.add(f"sampling.{name}", "left out: this protocol has no such field")
    if sampling.logprobs:
        if capabilities.logprobs:
            fields["top_logprobs"] = sampling.top_logprobs or None  # `include` asks for them
        else:
            losses.add("sampling.logprobs", "left out: the model doesn't give them")
    if sampling.n > 1:
        losses.add("sampling.n", "one answer only: this protocol has no choices")
    return fields


def _tools(request: Request, target: Target, notes: JsonObject, losses: Losses) -> JsonObject:
    own = request.protocol == NAME
    tools = encode_tools(request.tools, notes, losses, own=own)
    fields: JsonObject = {"tools": tools or None}
    if request.tool_choice is not None and tools:
        fields["tool_choice"] = encode_choice(request.tool_choice, request.tools)
    return fields


def _note_unsayable(request: Request, losses: Losses) -> None:
    if request.stop:
        losses.add("stop", "not sent: this protocol has no stop sequences")
    others = [kind for kind in request.modalities if kind != "text"]
    if others:
        losses.add("modalities", f"not asked for: {', '.join(others)}", content=True)
    if request.image_config is not None:
        losses.add("image_config", "left out: this protocol has no such field")
    if request.audio_config is not None:
        losses.add("audio_config", "left out: this protocol has no such field")


def _reasoning(
    request: Request, capabilities: Capabilities, notes: JsonObject, losses: Losses
) -> JsonObject | None:
    thinking = request.thinking
    if capabilities.thinking == "none":
        if thinking.mode in ("on", "adaptive"):
            losses.add("thinking", "left out: the model doesn't think")
        return None
    fields: JsonObject = dict(notes.get("reasoning", {}))
    effort = _wanted_effort(thinking)
    if effort is not None:
        fitting = _fit(effort, capabilities.efforts)
        if fitting != effort:
            losses.add(
                "thinking.effort", f"{fitting} instead of {effort}: the model has no such effort"
            )
        fields["effort"] = fitting
    fields["summary"] = thinking.summary or ("auto" if _wants_to_see(request) else None)
    return without_nulls(fields) or None


def _wants_to_see(request: Request) -> bool:
    """Return whether thoughts are wanted; but at OpenAI, who asks for them gets to see them."""
    thinking = request.thinking
    if thinking.include is None and request.protocol not in _OPENAI:
        return thinking.mode in ("on", "adaptive")
    return bool(thinking.include)


def _wanted_effort(thinking: ThinkingConfig) -> Effort | None:
    if thinking.mode == "off":
        return "none"
    if thinking.effort is not None or thinking.budget is None:
        return thinking.effort
    if thinking.budget < 2000:
        return "low"
    return "medium" if thinking.budget < 7000 else "high"


def _fit(effort: Effort, efforts: Sequence[Effort]) -> Effort:
    """Return the nearest effort that a model has, the lower of two; none known, all fit."""
    if not efforts or effort in efforts:
        return effort
    wanted = _EFFORTS.index(effort)
    places = [_EFFORTS.index(known) for known in efforts if known != "none"] or [wanted]
    return _EFFORTS[min(places, key=lambda place: (abs(place - wanted), place))]
