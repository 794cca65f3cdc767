"""Encodes the tools and the tool choice of a request."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Request
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, ToolChoice, WebSearchTool
from antigravity.protocols.gemini_interactions.schema import NAME, JsonObject
from antigravity.protocols.gemini_interactions.server_tools import SAME_IN_GEMINI
from antigravity.protocols.losses import Losses

#: Hosted tools that have the same meaning in every protocol.
_COMMON: Final = ("code_execution", "url_context")
#: The free text of a custom tool as the argument of a function.
_FREE_TEXT: Final = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
_MODES: Final = {"auto": "auto", "none": "none", "required": "any"}


def encode_tools(request: Request, capabilities: Capabilities, losses: Losses) -> list[JsonObject]:
    """Return ``tools``: functions sorted by name, for prompt caches, then the others."""
    functions: dict[str, JsonObject] = {}
    hosted: list[JsonObject] = []
    for tool in request.tools:
        if isinstance(tool, FunctionTool):
            functions[tool.name] = _function(tool.name, tool.description, tool.parameters)
        elif isinstance(tool, CustomTool):
            functions[tool.name] = _function(tool.name, tool.description, _FREE_TEXT)
    for tool in request.tools:
        if isinstance(tool, WebSearchTool):
            _add_search(tool, request, hosted, losses, bool(functions), capabilities)
        elif isinstance(tool, HostedTool):
            _add_hosted(tool, hosted, losses, bool(functions), capabilities)
    return [*(functions[name] for name in sorted(functions)), *hosted]


def _function(name: str, description: str, parameters: JsonObject | None) -> JsonObject:
    found: JsonObject = {"type": "function", "name": name}
    if description:
        found["description"] = description
    return found if parameters is None else {**found, "parameters": parameters}


def _add_search(
    tool: WebSearchTool,
    request: Request,
    hosted: list[JsonObject],
    losses: Losses,
    has_functions: bool,
    capabilities: Capabilities,
) -> None:
    """Add the web search, once, with the settings that only this protocol has."""
    if has_functions and not capabilities.web_search_with_tools:
        detail = "web search was dropped: the target does not accept it beside functions"
        losses.add("tools", detail, content=True)
        return
    if tool.allowed_domains or tool.blocked_domains or tool.max_uses or tool.user_location:
        losses.add("tools", "domains, limits and location of the web search were dropped")
    if not any(each["type"] == "google_search" for each in hosted):
        own = request.extensions.get("google_search") if request.protocol == NAME else None
        hosted.append({"type": "google_search", **(own if isinstance(own, dict) else {})})


def _add_hosted(
    tool: HostedTool,
    hosted: list[JsonObject],
    losses: Losses,
    has_functions: bool,
    capabilities: Capabilities,
) -> None:
    wire = _hosted(tool)
    if wire is None:
        detail = f"the hosted tool {tool.kind} was dropped: Gemini does not have it"
        losses.add("tools", detail, content=True)
    elif has_functions and not capabilities.hosted_tools_with_functions:
        detail = f"the hosted tool {tool.kind} was dropped: it cannot be used beside functions"
        losses.add("tools", detail, content=True)
    else:
        hosted.append(wire)


def _hosted(tool: HostedTool) -> JsonObject | None:
    """Return a hosted tool, ``None`` if this protocol does not have it."""
    if tool.protocol == NAME:
        return tool.wire
    if tool.protocol == "gemini":
        for kind, (name, members) in SAME_IN_GEMINI.items():
            wire: Any = tool.wire.get(name)
            if isinstance(wire, dict):
                fields = {ours: wire[theirs] for ours, theirs in members.items() if theirs in wire}
                return {"type": kind, **fields}
        return None
    return {"type": tool.kind} if tool.kind in _COMMON else None


def encode_choice(
    choice: ToolChoice | None, tools: list[JsonObject], losses: Losses
) -> str | JsonObject | None:
    """Return ``tool_choice``: a mode, or the tools that are allowed."""
    if choice is None:
        return None
    if not any(tool["type"] == "function" for tool in tools):
        if choice.mode == "required":
            losses.add("tool_choice", "dropped: there is no function to call")
        return None
    if not choice.names:
        return _MODES[choice.mode]
    mode = "validated" if choice.mode == "auto" else _MODES[choice.mode]
    return {"allowed_tools": {"mode": mode, "tools": list(choice.names)}}
