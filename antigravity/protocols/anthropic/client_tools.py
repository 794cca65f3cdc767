"""Encodes tools and the tool choice for an upstream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Request
from antigravity.ir.tools import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Tool,
    ToolChoice,
    WebSearchTool,
)
from antigravity.protocols.anthropic.client_content import cache_control
from antigravity.protocols.anthropic.client_strict import StrictTools
from antigravity.protocols.anthropic.server_request import TOOL_FIELDS
from antigravity.protocols.instructions import tool_instruction
from antigravity.protocols.losses import Losses

_SEARCH_TYPE: Final = "web_search_20250305"


def wire_tools(
    request: Request, capabilities: Capabilities, losses: Losses
) -> list[dict[str, Any]]:
    """Return the ``tools`` of the body.

    The protocol cannot restrict the choice to some tools, so tools that are not allowed are
    dropped.
    """
    own = request.extensions.get(TOOL_FIELDS) if request.protocol == "anthropic" else None
    extra: dict[str, Any] = own if isinstance(own, dict) else {}
    names = request.tool_choice.names if request.tool_choice else ()
    restricted = len(names) > 1 or bool(
        names and request.tool_choice and request.tool_choice.mode == "auto"
    )
    found: list[dict[str, Any]] = []
    strict = StrictTools(capabilities, losses)
    for tool in request.tools:
        if restricted and getattr(tool, "name", None) not in names:
            losses.add("tool_choice", "tools that it does not allow were dropped")
            continue
        found.extend(_tool(tool, capabilities, losses, extra, strict))
    return found


def _tool(
    tool: Tool,
    capabilities: Capabilities,
    losses: Losses,
    extra: dict[str, Any],
    strict: StrictTools,
) -> Iterator[dict[str, Any]]:
    """Yield the declaration of a tool, nothing if the protocol has none for it."""
    match tool:
        case FunctionTool():
            yield _function(tool, strict) | extra.get(tool.name, {})
        case CustomTool():
            losses.add(
                "tools", f"the custom tool {tool.name} became a function without its grammar"
            )
            schema = {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
            }
            yield {"name": tool.name, "description": tool.description, "input_schema": schema}
        case WebSearchTool() if capabilities.web_search:
            yield _web_search(tool, losses)
        case WebSearchTool():
            losses.add("tools", "the model does not support web search", content=True)
        case HostedTool(protocol="anthropic"):
            yield tool.wire
        case HostedTool():
            detail = f"the hosted tool {tool.kind} of {tool.protocol} was dropped"
            losses.add("tools", detail, content=True)


def _function(tool: FunctionTool, strict: StrictTools) -> dict[str, Any]:
    schema = tool.parameters or {"type": "object", "properties": {}}
    wire: dict[str, Any] = {"name": tool.name}
    if tool.description:
        wire["description"] = tool.description
    if "type" not in schema:
        schema = {"type": "object", **schema}
    fitted = strict.fit(tool, schema)
    wire["input_schema"] = schema if fitted is None else fitted
    if fitted is not None:
        wire["strict"] = True
    if tool.cache is not None:
        wire["cache_control"] = cache_control(tool.cache)
    return wire


def _web_search(tool: WebSearchTool, losses: Losses) -> dict[str, Any]:
    wire: dict[str, Any] = {"type": _SEARCH_TYPE, "name": "web_search"}
    if tool.max_uses is not None:
        wire["max_uses"] = tool.max_uses
    if tool.allowed_domains:
        wire["allowed_domains"] = tool.allowed_domains
    elif tool.blocked_domains:
        wire["blocked_domains"] = tool.blocked_domains
    if tool.allowed_domains and tool.blocked_domains:
        losses.add("tools.blocked_domains", "only one list of domains can be sent")
    if tool.user_location:
        wire["user_location"] = tool.user_location
    if tool.cache is not None:
        wire["cache_control"] = cache_control(tool.cache)
    return wire


def wire_choice(
    request: Request, capabilities: Capabilities, losses: Losses
) -> tuple[dict[str, Any] | None, str]:
    """Return the ``tool_choice`` of the body, ``None`` for the default, and the instruction to add.

    Models that cannot be forced to call a tool get an instruction.
    """
    choice = request.tool_choice
    if choice is None or choice.mode != "required" or capabilities.forced_tools:
        return _choice(request), ""
    losses.add("tool_choice", "the forced tool call became an instruction")
    return _choice(replace(request, tool_choice=ToolChoice())), tool_instruction(choice)


def _choice(request: Request) -> dict[str, Any] | None:
    choice = request.tool_choice
    one_call = request.parallel_tool_calls is False
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if one_call else None
    if choice.mode == "none":
        return {"type": "none"}
    wire: dict[str, Any] = {"type": "auto"}
    if choice.mode == "required":
        if len(choice.names) == 1:
            wire = {"type": "tool", "name": choice.names[0]}
        else:
            wire = {"type": "any"}
    if request.parallel_tool_calls is not None:
        wire["disable_parallel_tool_use"] = one_call
    return wire
