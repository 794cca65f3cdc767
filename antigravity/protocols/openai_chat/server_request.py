"""Decodes a client's request."""

from __future__ import annotations

from typing import Any

from antigravity.ir.call import Call
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.tools import CustomTool
from antigravity.protocols.json_body import bad_field, convert, load_object
from antigravity.protocols.openai_chat.anthropic_blocks import rewrite_blocks
from antigravity.protocols.openai_chat.schema import ALLOWED, NAME, SAMPLING_FIELDS, ChatRequest
from antigravity.protocols.openai_chat.server_messages import read_messages
from antigravity.protocols.openai_chat.server_tools import read_tool_choice, read_tools

_KNOWN = frozenset(ChatRequest.__struct_fields__)


def decode(call: Call) -> Request:
    """Return the request in a call.

    :raises InvalidRequestError: naming the field at fault in ``param``.
    """
    body = load_object(call.body)
    wire = _read(body)
    if wire is None:
        body = rewrite_blocks(body)
        wire = convert(body, ChatRequest, allowed=ALLOWED)
    tools = read_tools(wire)
    custom = frozenset(tool.name for tool in tools if isinstance(tool, CustomTool))
    system, messages = read_messages(wire.messages, custom)
    stream = bool(wire.stream)
    options = wire.stream_options
    parallel = False if wire.functions and not wire.tools else wire.parallel_tool_calls
    return Request(
        model=wire.model,
        messages=messages,
        protocol=NAME,
        system=system,
        stream=stream,
        include_usage=not stream or bool(options is not None and options.include_usage),
        tools=tools,
        tool_choice=read_tool_choice(wire),
        parallel_tool_calls=parallel,
        sampling=_sampling(wire),
        stop=(wire.stop,) if isinstance(wire.stop, str) else tuple(wire.stop or ()),
        max_output_tokens=wire.max_completion_tokens or wire.max_tokens,
        thinking=_thinking(wire),
        response_format=_response_format(wire),
        modalities=tuple(wire.modalities or ()),
        image_config=wire.image_config,
        audio_config=wire.audio,
        metadata=wire.metadata or {},
        user=wire.user or wire.safety_identifier,
        prompt_cache_key=wire.prompt_cache_key,
        service_tier=wire.service_tier,
        verbosity=wire.verbosity,
        extensions=_extensions(body, wire),
    )


def _read(body: dict[str, Any]) -> ChatRequest | None:
    """Return the fields of a body, ``None`` if it is written with Anthropic's blocks.

    :raises InvalidRequestError: naming the field at fault.
    """
    try:
        wire: ChatRequest = convert(body, ChatRequest, allowed=ALLOWED)
    except InvalidRequestError:
        if rewrite_blocks(body) is body:
            raise
        return None
    return None if body.get("system") else wire


def _extensions(body: dict[str, Any], wire: ChatRequest) -> dict[str, Any]:
    """Return the fields, or members of fields, that the representation has no field for."""
    extensions = {name: value for name, value in body.items() if name not in _KNOWN}
    if wire.user and wire.safety_identifier:
        extensions["safety_identifier"] = wire.safety_identifier
    size = (wire.web_search_options or {}).get("search_context_size")
    if size is not None:
        extensions["web_search_options"] = {"search_context_size": size}
    return extensions


def _sampling(wire: ChatRequest) -> Sampling:
    return Sampling(
        **{field.name: getattr(wire, field.name) for field in SAMPLING_FIELDS},
        logprobs=wire.logprobs,
        top_logprobs=wire.top_logprobs,
        n=wire.n or 1,
    )


def _thinking(wire: ChatRequest) -> ThinkingConfig:
    if wire.reasoning_effort is None:
        return ThinkingConfig()
    if wire.reasoning_effort == "none":
        return ThinkingConfig("off")
    return ThinkingConfig("on", effort=wire.reasoning_effort)


def _response_format(wire: ChatRequest) -> ResponseFormat:
    if wire.response_format is None or wire.response_format.type == "text":
        return ResponseFormat()
    if wire.response_format.type == "json_object":
        return ResponseFormat("json")
    definition = wire.response_format.json_schema
    if definition is None:
        raise bad_field("response_format.json_schema", "is required")
    return ResponseFormat(
        "schema", definition.name, definition.description, definition.schema, definition.strict
    )
