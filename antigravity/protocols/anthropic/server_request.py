"""Decodes requests of clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Raw

from antigravity.ir.call import Call
from antigravity.ir.parts import Text
from antigravity.ir.request import (
    Message,
    Request,
    ResponseFormat,
    Sampling,
    ThinkingConfig,
)
from antigravity.ir.thinking import EFFORTS
from antigravity.ir.tools import FunctionTool, HostedTool, Tool, ToolChoice, WebSearchTool
from antigravity.protocols.anthropic import schema
from antigravity.protocols.anthropic.request_reader import read, reject
from antigravity.protocols.anthropic.server_content import ContentReader
from antigravity.protocols.anthropic.threads import check_thread, creates_thread
from antigravity.protocols.json_body import members_of

#: Extensions for settings of messages, tools and thinking that the representation has no field
#: for; all other extensions are members of the body.
MESSAGE_FIELDS: Final = "anthropic.messages"
TOOL_FIELDS: Final = "anthropic.tools"
THINKING_FIELDS: Final = "anthropic.thinking"
#: What becomes of thinking that is bound to another history.
BLOCK_BINDING: Final = "block_binding"
OWN_EXTENSIONS: Final = frozenset({MESSAGE_FIELDS, TOOL_FIELDS, THINKING_FIELDS})

_KNOWN_TOOL_FIELDS: Final = frozenset(schema.ToolField.__struct_fields__) | {"type"}
_SEARCH_NAMES: Final = frozenset(
    {"web_search", "google_search", "google_search_retrieval", "builtin_web_search"}
)
_HOSTED_KINDS: Final = {"code_execution_": "code_execution", "web_fetch_": "url_context"}


def decode_request(call: Call) -> Request:
    """Return the request in a ``generate`` or ``count_tokens`` call.

    :raises InvalidRequestError: naming the field at fault.
    """
    members = members_of(call)
    check_thread(call)
    body = read(call.body, schema.Body, "$")
    if not body.model:
        reject("$.model", "String should have at least 1 character")
    if not body.messages:
        reject("$.messages", "at least one message is required")
    if call.route.operation == "generate" and body.max_tokens is None:
        reject("$.max_tokens", "Field required")
    if body.max_tokens is not None and body.max_tokens < 0:
        reject("$.max_tokens", "Input should be greater than or equal to 0")
    extensions = {
        name: read(raw, object, f"$.{name}")
        for name, raw in members.items()
        if name not in schema.Body.__struct_fields__ and name not in OWN_EXTENSIONS
    }
    if creates_thread(call):  # which the gateway holds, because it rewrites the request
        del extensions["thread"]
    system, messages = _messages(body, extensions)
    if config := _output_config(body, members):
        extensions["output_config"] = config
    choice, parallel = _tool_choice(body)
    metadata = body.metadata or {}
    user = metadata.get("user_id")
    return Request(
        model=body.model,
        messages=messages,
        protocol="anthropic",
        system=system,
        stream=bool(body.stream),
        tools=_tools(body.tools or (), extensions),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        sampling=Sampling(body.temperature, body.top_p, body.top_k),
        stop=body.stop_sequences or (),
        max_output_tokens=body.max_tokens,
        thinking=_thinking(body, extensions),
        response_format=_response_format(body),
        metadata=metadata,
        user=user if isinstance(user, str) else None,
        extensions=extensions,
    )


def _messages(
    body: schema.Body, extensions: dict[str, Any]
) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """Return the system prompt, leading system entries included, and the conversation."""
    reader = ContentReader()
    system = list(reader.texts(body.system or "", "$.system"))
    messages: list[Message] = []
    extra: list[dict[str, Any]] = []
    for number, wire in enumerate(body.messages):
        at = f"$.messages[{number}].content"
        if wire.output_config is not None:
            extra.append({"index": number, "output_config": wire.output_config})
        if wire.role == "system" and not messages:
            system.extend(reader.texts(wire.content, at))
        else:
            messages.append(Message(wire.role, reader.parts(wire.content, wire.role, at)))
    if extra:
        extensions[MESSAGE_FIELDS] = extra
    return tuple(system), tuple(messages)


def _tools(wires: list[Raw] | tuple[()], extensions: dict[str, Any]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    extra: dict[str, dict[str, Any]] = {}
    for number, raw in enumerate(wires):
        at = f"$.tools[{number}]"
        wire = read(raw, dict[str, Any], at)
        tool = _tool(raw, wire, at)
        tools.append(tool)
        if isinstance(tool, FunctionTool):
            rest = {key: wire[key] for key in wire if key not in _KNOWN_TOOL_FIELDS}
            if rest:
                extra[tool.name] = rest
    if extra:
        extensions[TOOL_FIELDS] = extra
    return tuple(tools)


def _tool(raw: Raw, wire: dict[str, Any], at: str) -> Tool:
    kind = wire.get("type") or "custom"
    if not isinstance(kind, str):
        reject(f"{at}.type", "Input should be a valid string")
    searches = kind.startswith("web_search_") or (
        kind == "custom" and str(wire.get("name")) in _SEARCH_NAMES and "input_schema" not in wire
    )
    if kind != "custom" and not searches:
        name = next(
            (_HOSTED_KINDS[start] for start in _HOSTED_KINDS if kind.startswith(start)), kind
        )
        return HostedTool(name, "anthropic", wire)
    field = read(raw, schema.ToolField, at)
    cache = field.cache_control.value() if field.cache_control else None
    if searches:
        return WebSearchTool(
            name=field.name,
            allowed_domains=field.allowed_domains or (),
            blocked_domains=field.blocked_domains or (),
            max_uses=field.max_uses,
            user_location=field.user_location,
            cache=cache,
        )
    if field.input_schema is None:
        reject(f"{at}.input_schema", "Field required")
    return FunctionTool(
        name=field.name,
        description=field.description or "",
        parameters=field.input_schema,
        strict=field.strict,
        cache=cache,
    )


def _tool_choice(body: schema.Body) -> tuple[ToolChoice | None, bool | None]:
    """Return the tool choice, and whether calls can be parallel."""
    field = body.tool_choice
    if field is None:
        return None, None
    disable = field.disable_parallel_tool_use
    parallel = None if disable is None else not disable
    match field.type:
        case "any":
            return ToolChoice("required"), parallel
        case "tool":
            if not field.name:
                reject("$.tool_choice.name", "Field required")
            return ToolChoice("required", (field.name,)), parallel
        case _:
            return ToolChoice(field.type), parallel


def _thinking(body: schema.Body, extensions: dict[str, Any]) -> ThinkingConfig:
    config = body.output_config or schema.OutputConfig()
    effort = config.effort if config.effort in EFFORTS else None
    field = body.thinking
    if field is None:
        return ThinkingConfig(effort=effort)
    if field.type not in ("enabled", "adaptive"):
        if field.type != "disabled":
            extensions[THINKING_FIELDS] = {"type": field.type}
        return ThinkingConfig("off", effort=effort)
    if field.type == "enabled" and field.budget_tokens is None:
        reject("$.thinking.budget_tokens", "Field required")
    include = None if field.display is None else field.display != "omitted"
    own: dict[str, Any] = {}
    if field.display not in (None, "omitted", "summarized"):
        own["display"] = field.display
    if field.block_binding is not None:
        own[BLOCK_BINDING] = field.block_binding
    if own:
        extensions[THINKING_FIELDS] = own
    mode: Literal["on", "adaptive"] = "on" if field.type == "enabled" else "adaptive"
    return ThinkingConfig(mode, field.budget_tokens, effort, include)


def _output_config(body: schema.Body, members: Mapping[str, Raw]) -> dict[str, Any]:
    """Return the members of ``output_config`` except a known effort and the format."""
    if body.output_config is None:
        return {}
    known = {"format", "effort"}
    if body.output_config.effort not in (None, *EFFORTS):
        known.remove("effort")
    config = read(members["output_config"], dict[str, Any], "$.output_config")
    return {name: value for name, value in config.items() if name not in known}


def _response_format(body: schema.Body) -> ResponseFormat:
    """Return the requested format of the response."""
    field, at = body.output_format, "$.output_format"
    if body.output_config is not None and body.output_config.format is not None:
        field, at = body.output_config.format, "$.output_config.format"
    if field is None:
        return ResponseFormat()
    if field.type != "json_schema":
        reject(f"{at}.type", "Input should be 'json_schema'")
    if field.schema is None:
        reject(f"{at}.schema", "Field required")
    return ResponseFormat("schema", schema=field.schema)
