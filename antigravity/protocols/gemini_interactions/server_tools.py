"""Decodes the tools and the tool choice of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from antigravity.ir.tools import FunctionTool, HostedTool, Tool, ToolChoice, WebSearchTool
from antigravity.protocols.gemini_interactions.schema import (
    NAME,
    AllowedTools,
    FunctionDeclaration,
    JsonObject,
    read,
    refuse,
    required,
)
from antigravity.protocols.gemini_schemas import from_gemini

#: The types of tools in error messages; others are kept for upstreams of this protocol.
TOOL_TYPES: Final = (
    "function",
    "google_search",
    "url_context",
    "code_execution",
    "file_search",
    "google_maps",
    "computer_use",
    "mcp_server",
    "retrieval",
    "tool_search",
)
#: Hosted tools that ``generateContent`` has, too: the names of tools and of their members there.
SAME_IN_GEMINI: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "url_context": ("urlContext", {}),
    "code_execution": ("codeExecution", {}),
    "google_maps": ("googleMaps", {"enable_widget": "enableWidget"}),
    "file_search": (
        "fileSearch",
        {
            "file_search_store_names": "fileSearchStoreNames",
            "metadata_filter": "metadataFilter",
            "top_k": "topK",
        },
    ),
}
_MODES: Final[dict[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "any": "required",
    "none": "none",
    "validated": "auto",
}


def decode_tools(tools: Sequence[JsonObject]) -> tuple[Tool, ...]:
    """Return the tools.

    :raises InvalidRequestError: naming the field at fault.
    """
    return tuple(_tool(tool, f"tools[{place}]") for place, tool in enumerate(tools))


def _tool(tool: JsonObject, path: str) -> Tool:
    kind = tool.get("type")
    match kind:
        case "function":
            function = read(tool, FunctionDeclaration, path)
            if not function.name:
                raise required(f"{path}.name")
            parameters = function.parameters
            schema = None if parameters is None else from_gemini(parameters)
            return FunctionTool(function.name, function.description or "", schema)
        case "google_search":
            return WebSearchTool()
        case str() if kind in SAME_IN_GEMINI:
            name, members = SAME_IN_GEMINI[kind]
            wire = {theirs: tool[ours] for ours, theirs in members.items() if ours in tool}
            return HostedTool(kind, "gemini", {name: wire})
        case str() if kind:
            return HostedTool(kind, NAME, tool)
        case _:
            raise refuse(f"{path}.type", kind, TOOL_TYPES)


def search_settings(tools: Sequence[JsonObject]) -> JsonObject:
    """Return the settings of the web search that only this protocol has, as an extension."""
    for tool in tools:
        settings = {name: value for name, value in tool.items() if name != "type"}
        if tool.get("type") == "google_search" and settings:
            return {"google_search": settings}
    return {}


def decode_choice(choice: str | JsonObject | None, path: str) -> ToolChoice | None:
    """Return the tool choice: a mode, or the tools that are allowed.

    :raises InvalidRequestError: naming the field at fault.
    """
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice(_mode(choice, path))
    allowed = read(choice.get("allowed_tools") or {}, AllowedTools, f"{path}.allowed_tools")
    mode = _mode(allowed.mode or "auto", f"{path}.allowed_tools.mode")
    return ToolChoice(mode, () if mode == "none" else tuple(allowed.tools or ()))


def _mode(name: str, path: str) -> Literal["auto", "none", "required"]:
    mode = _MODES.get(name.lower())
    if mode is None:
        raise refuse(path, name, tuple(_MODES))
    return mode
