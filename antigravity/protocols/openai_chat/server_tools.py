"""Decodes the tools and the tool choice of a request."""

from __future__ import annotations

from typing import Any, Final, Literal

from antigravity.ir.tools import (
    CustomTool,
    FunctionTool,
    HostedTool,
    JsonObject,
    Tool,
    ToolChoice,
    WebSearchTool,
)
from antigravity.protocols.json_body import bad_field, convert
from antigravity.protocols.openai_chat.schema import (
    ALLOWED,
    NAME,
    ChatRequest,
    CustomDefinition,
    FunctionDefinition,
    NamedFunction,
)
from antigravity.protocols.openai_chat.server_content import cache_control

_SEARCHES: Final = frozenset(("google_search", "google_search_retrieval", "builtin_web_search"))
_MODES: Final = ("none", "auto", "required")
_CHOICES: Final = (*_MODES, '{"type": "function" | "custom" | "allowed_tools", ...}')
_CHOICE_TYPES: Final = ("function", "custom", "allowed_tools")


def read_tools(wire: ChatRequest) -> tuple[Tool, ...]:
    """Return the tools in ``tools``, ``functions`` and ``web_search_options``."""
    tools = [_tool(tool, f"tools[{place}]") for place, tool in enumerate(wire.tools or ())]
    tools += [_function(function) for function in wire.functions or ()]
    if wire.web_search_options is not None:
        location = _location(wire.web_search_options.get("user_location"))
        tools.append(WebSearchTool(user_location=location))
    return tuple(tools)


def _tool(wire: dict[str, Any], at: str) -> Tool:
    kind = wire.get("type", "function")
    if not isinstance(kind, str):
        raise bad_field(f"{at}.type", "must be a string", ("function", "custom", "web_search"))
    if kind in ("function", "custom"):
        # Clients of the Responses API put the definition beside the type.
        definition, path = (wire[kind], f"{at}.{kind}") if kind in wire else (wire, at)
        if kind not in wire and "name" not in wire:
            raise bad_field(f"{at}.{kind}", "is required")
        if kind == "custom":
            return _custom(convert(definition, CustomDefinition, path, ALLOWED))
        cache = wire.get("cache_control")
        return _function(convert(definition, FunctionDefinition, path, ALLOWED), cache)
    if kind.startswith("web_search") or kind in _SEARCHES:
        return _search(wire)
    return HostedTool(kind, NAME, wire)


def _function(definition: FunctionDefinition, cache: Any = None) -> FunctionTool:
    return FunctionTool(
        definition.name,
        definition.description or "",
        definition.parameters if definition.input_schema is None else definition.input_schema,
        definition.strict,
        cache=cache_control(cache),
    )


def _custom(definition: CustomDefinition) -> CustomTool:
    form = definition.format
    if form is not None and isinstance(inner := form.get("grammar"), dict):
        form = {"type": "grammar", **inner}
    return CustomTool(definition.name, definition.description or "", form)


def _search(wire: dict[str, Any]) -> WebSearchTool:
    filters = wire.get("filters")
    filters = filters if isinstance(filters, dict) else wire
    uses = wire.get("max_uses")
    return WebSearchTool(
        allowed_domains=_strings(filters.get("allowed_domains")),
        blocked_domains=_strings(filters.get("blocked_domains")),
        max_uses=uses if isinstance(uses, int) else None,
        user_location=_location(wire.get("user_location")),
    )


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value if isinstance(item, str))


def _location(wire: Any) -> JsonObject | None:
    """Return a location with its fields beside its type, as in the other protocols."""
    if not isinstance(wire, dict):
        return None
    inner = wire.get("approximate")
    return {"type": "approximate", **inner} if isinstance(inner, dict) else wire


def read_tool_choice(wire: ChatRequest) -> ToolChoice | None:
    """Return the tool choice, ``None`` if the client sent none."""
    choice = wire.tool_choice
    if choice is None:
        match wire.function_call:
            case NamedFunction(name=name):
                return ToolChoice("required", (name,))
            case None:
                return None
            case mode:
                return ToolChoice(mode)
    if isinstance(choice, str):
        return ToolChoice(_mode("required" if choice == "any" else choice, "tool_choice", _CHOICES))
    kind = choice.get("type")
    if kind == "allowed_tools":
        return _allowed_tools(choice)
    if kind in ("function", "custom"):
        return ToolChoice("required", (_named(choice, "tool_choice"),))
    if kind == "tool":  # Anthropic's form
        return ToolChoice("required", (_named({**choice, "type": "function"}, "tool_choice"),))
    if kind in ("auto", "any", "none"):
        return ToolChoice(_mode("required" if kind == "any" else kind, "tool_choice", _CHOICES))
    if isinstance(kind, str) and (kind.startswith("web_search") or kind in _SEARCHES):
        return ToolChoice("required", ("web_search",))
    raise bad_field("tool_choice.type", "is missing or unknown", _CHOICE_TYPES)


def _mode(value: Any, at: str, allowed: tuple[str, ...]) -> Literal["auto", "none", "required"]:
    if value in _MODES:
        return value  # type: ignore[no-any-return]
    raise bad_field(at, "is invalid", allowed)


def _named(wire: dict[str, Any], at: str) -> str:
    """Return the name in ``{"type": "function", "function": {"name": ...}}`` or its flat form."""
    kind = wire.get("type", "function")
    inner = wire.get(kind) if kind in wire else wire
    name = inner.get("name") if isinstance(inner, dict) else None
    if not isinstance(name, str) or not name:
        raise bad_field(f"{at}.{kind}.name", "is required and must be a string")
    return name


def _allowed_tools(choice: dict[str, Any]) -> ToolChoice:
    at = "tool_choice.allowed_tools"
    inner = choice.get("allowed_tools", choice)
    tools = inner.get("tools") if isinstance(inner, dict) else None
    if not isinstance(tools, list) or not tools:
        raise bad_field(f"{at}.tools", "must be a list of tools")
    if inner.get("mode") not in ("auto", "required"):
        raise bad_field(f"{at}.mode", "is missing or unknown", ("auto", "required"))
    names = []
    for place, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise bad_field(f"{at}.tools[{place}]", "must be an object")
        names.append(_named(tool, f"{at}.tools[{place}]"))
    return ToolChoice(inner["mode"], tuple(names))
