"""Encodes tools and the tool choice."""

from __future__ import annotations

from collections.abc import Sequence

from antigravity.ir.tools import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Tool,
    ToolChoice,
    WebSearchTool,
)
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_responses.schema import NAME, JsonObject, without_nulls
from antigravity.protocols.openai_responses.server_tools import tool_key


def encode_tools(
    tools: Sequence[Tool], settings: JsonObject, losses: Losses, *, own: bool
) -> list[JsonObject]:
    """Return the declarations; the tools of a namespace stand together at its first one.

    ``settings`` are the ``own_settings`` of ``server_tools``.  A function that leaves ``strict``
    open is not strict, but in requests of the protocol's ``own`` clients, where the upstream's
    default applies.
    """
    wire: list[JsonObject] = []
    spaces: dict[str, list[JsonObject]] = {}
    descriptions, fields = settings.get("namespaces", {}), settings.get("tools", {})
    for tool in tools:
        declaration = _declare(tool, settings, losses, own=own)
        if declaration is None:
            continue
        namespace = None
        if isinstance(tool, FunctionTool | CustomTool):
            namespace = tool.namespace
            if fields:
                declaration |= fields.get(tool_key(tool.name, namespace), {})
        if namespace is None:
            wire.append(declaration)
            continue
        if namespace not in spaces:
            spaces[namespace] = []
            wire.append(
                {
                    "type": "namespace",
                    "name": namespace,
                    "description": descriptions.get(namespace, ""),
                    "tools": spaces[namespace],
                }
            )
        spaces[namespace].append(declaration)
    return wire


def _declare(tool: Tool, settings: JsonObject, losses: Losses, *, own: bool) -> JsonObject | None:
    match tool:
        case FunctionTool():
            strict = tool.strict if tool.strict is not None or own else False
            return without_nulls(
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description or None,
                    "parameters": tool.parameters or {"type": "object", "properties": {}},
                    "strict": strict,
                }
            )
        case CustomTool():
            return without_nulls(
                {
                    "type": "custom",
                    "name": tool.name,
                    "description": tool.description or None,
                    "format": tool.format,
                }
            )
        case WebSearchTool():
            return _search(tool, settings, losses)
        case HostedTool(protocol=protocol, wire=wire) if protocol == NAME:
            return wire
        case HostedTool(kind="code_execution"):
            return {"type": "code_interpreter", "container": {"type": "auto"}}
        case HostedTool(kind=kind):
            losses.add(f"tools.{kind}", "dropped: this protocol has no such tool", content=True)
            return None


def _search(tool: WebSearchTool, settings: JsonObject, losses: Losses) -> JsonObject:
    declaration: JsonObject = {"type": "web_search", **settings.get("web_search", {})}
    filters: JsonObject = {}
    if tool.allowed_domains:
        filters["allowed_domains"] = list(tool.allowed_domains)
    if tool.blocked_domains:
        filters["blocked_domains"] = list(tool.blocked_domains)
    if filters:
        declaration["filters"] = filters
    if tool.user_location:
        declaration["user_location"] = {"type": "approximate", **tool.user_location}
    if not tool.live:
        declaration["external_web_access"] = False
    if tool.max_uses is not None:
        losses.add("tools.web_search.max_uses", "dropped: this protocol has no such limit")
    return declaration


def encode_choice(choice: ToolChoice, tools: Sequence[Tool]) -> str | JsonObject:
    """Return the tool choice in its shortest form."""
    if not choice.names or choice.mode == "none":
        return choice.mode
    chosen = [_choose(name, tools) for name in choice.names]
    if len(chosen) == 1 and choice.mode == "required":
        return chosen[0]
    return {"type": "allowed_tools", "mode": choice.mode, "tools": chosen}


def _choose(name: str, tools: Sequence[Tool]) -> JsonObject:
    for tool in tools:
        match tool:
            case FunctionTool(name=known) if known == name:
                return {"type": "function", "name": name}
            case CustomTool(name=known) if known == name:
                return {"type": "custom", "name": name}
            case WebSearchTool(name=known) if name in (known, "web_search"):
                return {"type": "web_search"}
            case HostedTool(kind=kind) if kind == name:
                wire_type = tool.wire.get("type") if tool.protocol == NAME else None
                return {"type": wire_type or "code_interpreter"}
    return {"type": "function", "name": name}
