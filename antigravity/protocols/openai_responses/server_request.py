"""Decodes the bodies of clients' requests."""

from __future__ import annotations

from typing import Final

import msgspec

from antigravity.ir.call import Call
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Effort, Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.thinking import EFFORTS
from antigravity.protocols.json_body import bad_field, load_object, members_of
from antigravity.protocols.member_scan import has_member
from antigravity.protocols.openai_responses.compaction import read_context_management
from antigravity.protocols.openai_responses.schema import (
    NAME,
    FormatField,
    JsonObject,
    ReasoningField,
    RequestBody,
    read,
    refuse,
    required,
)
from antigravity.protocols.openai_responses.server_items import ConversationReader
from antigravity.protocols.openai_responses.server_tools import ToolReader, decode_choice

#: The value in ``include`` that requests log probabilities.
LOGPROBS: Final = "message.output_text.logprobs"

#: The extension with settings that only this protocol's own encoder uses.
OWN_SETTINGS: Final = "openai_responses"

_FORMATS: Final = ("text", "json_object", "json_schema")
_VERBOSITIES: Final = ("low", "medium", "high")

#: Fields that refer to what OpenAI's servers store, and what to send instead.
_STORED_BY_OPENAI: Final = {
    "conversation": "send `previous_response_id` or all of it as `input`",
    "prompt": "send its text as `instructions` or `input`",
}

#: Known fields that become extensions.
_EXTENSIONS: Final = frozenset(("include", "store", "previous_response_id", "safety_identifier"))
_KNOWN: Final = (frozenset(RequestBody.__struct_fields__) - _EXTENSIONS) | {OWN_SETTINGS}
_REASONING: Final = frozenset(ReasoningField.__struct_fields__)


def decode(body: bytes) -> Request:
    """Return the request in a body.

    :raises InvalidRequestError: naming the field at fault in ``param``.
    """
    fields = load_object(body)
    wire = read(fields, RequestBody)
    _refuse_foreign_state(wire)
    read_context_management(fields.get("context_management"))
    conversation, tools = _conversation(wire)
    extensions = {
        name: value for name, value in fields.items() if name not in _KNOWN and value is not None
    }
    own_settings = tools.own_settings
    rest = _rest_of_reasoning(fields.get("reasoning"))
    if rest:
        own_settings["reasoning"] = rest
    if own_settings:
        extensions[OWN_SETTINGS] = own_settings
    text = wire.text
    if text and text.verbosity is not None and text.verbosity not in _VERBOSITIES:
        raise refuse("text.verbosity", text.verbosity, _VERBOSITIES)
    return Request(
        model=wire.model,
        messages=conversation.messages(),
        protocol=NAME,
        system=tuple(conversation.system),
        stream=bool(wire.stream),
        tools=tools.tools(),
        tool_choice=decode_choice(wire.tool_choice),
        parallel_tool_calls=wire.parallel_tool_calls,
        sampling=_sampling(wire),
        max_output_tokens=wire.max_output_tokens,
        thinking=decode_thinking(wire.reasoning),
        response_format=decode_format(text.format if text else None),
        metadata=wire.metadata or {},
        user=wire.user or wire.safety_identifier,
        prompt_cache_key=wire.prompt_cache_key,
        service_tier=wire.service_tier,
        verbosity=text.verbosity if text else None,
        extensions=extensions,
    )


def native_only_error(call: Call) -> InvalidRequestError | None:
    """Return the error for a request that only OpenAI can serve, ``None`` for others."""
    body = members_of(call)
    for name, remedy in _STORED_BY_OPENAI.items():
        if has_member(body, name):
            return _not_stored_here(name, remedy)
    if has_member(body, "background") and bytes(body["background"]) == b"true":
        return bad_field(
            "background", "requires an OpenAI upstream: leave it out, or stream the response"
        )
    return None


def _refuse_foreign_state(wire: RequestBody) -> None:
    """Refuse references to what OpenAI's servers store.

    :raises InvalidRequestError: naming the field.
    """
    for name, remedy in _STORED_BY_OPENAI.items():
        if getattr(wire, name) is not None:
            raise _not_stored_here(name, remedy)
    if wire.input is None and not wire.instructions:
        raise required("input")


def _not_stored_here(name: str, remedy: str) -> InvalidRequestError:
    return bad_field(name, f"refers to data that only OpenAI stores: {remedy}")


def _conversation(wire: RequestBody) -> tuple[ConversationReader, ToolReader]:
    conversation, tools = ConversationReader(), ToolReader()
    if isinstance(wire.instructions, str):
        conversation.instruct(wire.instructions)
    elif wire.instructions:
        for place, item in enumerate(wire.instructions):
            conversation.add(item, f"instructions[{place}]")
    items = wire.input
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    for place, item in enumerate(items or ()):
        conversation.add(item, f"input[{place}]")
    for place, tool in enumerate(wire.tools or ()):
        tools.add(tool, f"tools[{place}]")
    for tool, path in conversation.tools:
        tools.add(tool, path)
    return conversation, tools


def _sampling(wire: RequestBody) -> Sampling:
    has_logprobs = LOGPROBS in (wire.include or ()) or bool(wire.top_logprobs)
    return Sampling(
        temperature=wire.temperature,
        top_p=wire.top_p,
        logprobs=True if has_logprobs else None,
        top_logprobs=wire.top_logprobs,
    )


def decode_thinking(field: ReasoningField | None) -> ThinkingConfig:
    """Return what ``reasoning`` asks for.

    :raises InvalidRequestError: if it has an unknown effort.
    """
    if field is None:
        return ThinkingConfig()
    summary = field.summary or field.generate_summary
    include = True if summary else None
    if field.effort is None:
        return ThinkingConfig(include=include, summary=summary)
    if field.effort not in EFFORTS:
        raise refuse("reasoning.effort", field.effort, EFFORTS)
    if field.effort == "none":
        return ThinkingConfig("off", include=include, summary=summary)
    effort = msgspec.convert(field.effort, Effort)
    return ThinkingConfig("on", effort=effort, include=include, summary=summary)


def _rest_of_reasoning(field: object) -> JsonObject:
    if not isinstance(field, dict):
        return {}
    return {
        name: value for name, value in field.items() if name not in _REASONING and value is not None
    }


def decode_format(field: FormatField | None) -> ResponseFormat:
    """Return what ``text.format`` asks for.

    :raises InvalidRequestError: naming the field at fault.
    """
    if field is None or field.type == "text":
        return ResponseFormat()
    if field.type == "json_object":
        return ResponseFormat("json")
    if field.type != "json_schema":
        raise refuse("text.format.type", field.type, _FORMATS)
    if field.schema is None:
        raise required("text.format.schema")
    return ResponseFormat(
        "schema", field.name or "response", field.description, field.schema, field.strict
    )
