"""Encodes the tools of a request as ``tools`` and ``toolConfig``."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.request import Request
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, WebSearchTool
from antigravity.protocols.gemini.json_schema.clean import Budget, clean, clean_parameters
from antigravity.protocols.losses import Losses

_RAW_RESPONSES: Final = ("responseJsonSchema", "response_json_schema")
#: Hosted tools that have the same meaning in every protocol.
_HOSTED: Final = {"code_execution": "codeExecution", "url_context": "urlContext"}


def encode_tools(
    request: Request, capabilities: Capabilities, extensions: dict[str, Any], losses: Losses
) -> list[dict[str, Any]]:
    """Return ``tools``: functions sorted by name, for prompt caches, then the others."""
    more = extensions.get("functionDeclarations", {})
    budget = Budget()
    declarations: dict[str, dict[str, Any]] = {}
    for tool in request.tools:
        if isinstance(tool, FunctionTool):
            declaration = _function(tool, capabilities, losses, budget)
            rest = more.get(tool.name, {})
            if not capabilities.raw_schema:
                rest = _without_raw_schema(rest, budget)
            declarations[tool.name] = {**declaration, **rest}
        elif isinstance(tool, CustomTool):
            declarations[tool.name] = _custom(tool, capabilities)
    tools: list[dict[str, Any]] = []
    if declarations:
        tools.append(
            {"functionDeclarations": [declarations[name] for name in sorted(declarations)]}
        )
    for tool in request.tools:
        if isinstance(tool, WebSearchTool):
            if declarations and not capabilities.web_search_with_tools:
                detail = "web search was dropped: the target does not accept it beside functions"
                losses.add("tools", detail, content=True)
            elif not any("googleSearch" in each for each in tools):
                tools.append({"googleSearch": _search(tool, extensions, losses)})
        elif isinstance(tool, HostedTool):
            wire = _hosted(tool)
            if wire is None:
                detail = f"the hosted tool {tool.kind} was dropped: Gemini does not have it"
                losses.add("tools", detail, content=True)
            elif declarations and not capabilities.hosted_tools_with_functions:
                detail = (
                    f"the hosted tool {tool.kind} was dropped: it cannot be used beside functions"
                )
                losses.add("tools", detail, content=True)
            else:
                tools.append(wire)
    return tools


def _function(
    tool: FunctionTool, capabilities: Capabilities, losses: Losses, budget: Budget
) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.parameters is None:
        return declaration
    if capabilities.raw_schema:
        return {**declaration, "parametersJsonSchema": tool.parameters}
    cleaned = clean_parameters(tool.parameters, budget)
    if cleaned.dropped:
        losses.add("tools", f"schema keywords without a counterpart: {_listed(cleaned.dropped)}")
    if cleaned.schema["properties"]:
        declaration["parameters"] = cleaned.schema
    return declaration


def _without_raw_schema(fields: dict[str, Any], budget: Budget) -> dict[str, Any]:
    """Return a declaration's other fields with a clean schema of its response."""
    others = {name: value for name, value in fields.items() if name not in _RAW_RESPONSES}
    raw = next((fields[name] for name in _RAW_RESPONSES if name in fields), None)
    if raw is not None:
        others["response"] = clean(raw, budget).schema
    return others


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _custom(tool: CustomTool, capabilities: Capabilities) -> dict[str, Any]:
    """Return a function whose argument is the free text of a custom tool."""
    key = "parametersJsonSchema" if capabilities.raw_schema else "parameters"
    schema = {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
    }
    return {"name": tool.name, "description": tool.description, key: schema}


def _search(tool: WebSearchTool, extensions: dict[str, Any], losses: Losses) -> dict[str, Any]:
    """Return the settings of the search."""
    settings = extensions.get("googleSearch")
    if isinstance(settings, dict):
        return settings
    if tool.allowed_domains or tool.blocked_domains or tool.max_uses or tool.user_location:
        losses.add("tools", "domains, limits and location of the web search were dropped")
    return {}


def _hosted(tool: HostedTool) -> dict[str, Any] | None:
    if tool.protocol == "gemini":
        return tool.wire
    key = _HOSTED.get(tool.kind)
    return None if key is None else {key: {}}


def encode_choice(
    request: Request, tools: list[dict[str, Any]], extensions: dict[str, Any], losses: Losses
) -> dict[str, Any]:
    """Return ``toolConfig``, empty without any setting."""
    given = extensions.get("toolConfig")
    config = dict(given) if isinstance(given, dict) else {}
    calling = dict(config.pop("functionCallingConfig", None) or {})
    choice = request.tool_choice
    mixed = any("functionDeclarations" not in tool for tool in tools)
    if not any("functionDeclarations" in tool for tool in tools):
        if choice is not None and choice.mode == "required":
            losses.add("tool_choice", "dropped: there is no function to call")
        return config
    if choice is not None and choice.mode == "none":
        calling["mode"] = "NONE"
    elif choice is not None:
        if choice.mode == "required":
            calling["mode"] = "ANY"
        elif choice.names:
            calling["mode"] = "VALIDATED"  # only ANY and VALIDATED accept names
        else:
            calling.setdefault("mode", "AUTO")
        if choice.names:
            calling["allowedFunctionNames"] = list(choice.names)
    if mixed:
        # Google rejects hosted tools beside functions without it, and with it the mode AUTO.
        config.setdefault("includeServerSideToolInvocations", True)
        if calling.get("mode") == "AUTO":
            calling["mode"] = "VALIDATED"
    return {**config, "functionCallingConfig": calling} if calling else config
