"""Decodes the tools and the tool choice of a request."""

from __future__ import annotations

from typing import Final, Literal

from antigravity.ir.tools import (
    CustomTool,
    FunctionTool,
    HostedTool,
    Tool,
    ToolChoice,
    WebSearchTool,
)
from antigravity.protocols.openai_responses.schema import (
    NAME,
    AllowedTools,
    CustomDeclaration,
    FunctionDeclaration,
    JsonObject,
    NamespaceDeclaration,
    SearchDeclaration,
    read,
    refuse,
    required,
    without_nulls,
)

#: The representation's names of hosted tools.
HOSTED_KINDS: Final = {"code_interpreter": "code_execution"}

#: Fields of functions and custom tools that the representation has a field for.
_KNOWN_FIELDS: Final = frozenset(
    ("type", "function", "name", "description", "parameters", "strict", "format")
)
#: Fields of a web search tool that the representation has a field for.
_SEARCH_FIELDS: Final = frozenset(("type", "filters", "user_location"))
_MODES: Final = ("none", "auto", "required")


class ToolReader:
    """Reader of the tools of one request.

    :ivar own_settings: descriptions of namespaces, and fields of tools that only this protocol
        has; they become extensions.
    """

    def __init__(self) -> None:
        self._tools: list[Tool] = []
        self.own_settings: JsonObject = {}

    def tools(self) -> tuple[Tool, ...]:
        """Return the tools in the order in which they were declared."""
        return tuple(self._tools)

    def add(self, tool: JsonObject, path: str, namespace: str | None = None) -> None:
        """Decode the declaration at ``path`` of the body.

        :raises InvalidRequestError: naming the field at fault.
        """
        kind = tool.get("type")
        if kind in ("function", "custom"):
            self._keep_own_fields(tool, namespace)
        if kind == "function":
            self._tools.append(_function(tool, path, namespace))
        elif kind == "custom":
            custom = read(tool, CustomDeclaration, path)
            self._tools.append(
                CustomTool(custom.name, custom.description or "", custom.format, namespace)
            )
        elif namespace is not None:
            raise refuse(f"{path}.type", kind, ("function", "custom"))
        elif kind == "namespace":
            self._namespace(read(tool, NamespaceDeclaration, path), path)
        elif not isinstance(kind, str):
            raise refuse(f"{path}.type", kind, ("function", "custom", "namespace", "web_search"))
        elif kind.startswith("web_search"):
            self._search(tool, path)
        else:
            self._tools.append(HostedTool(HOSTED_KINDS.get(kind, kind), NAME, tool))

    def _keep_own_fields(self, tool: JsonObject, namespace: str | None) -> None:
        rest = {name: each for name, each in tool.items() if name not in _KNOWN_FIELDS}
        if rest:
            key = tool_key(tool.get("name"), namespace)
            self.own_settings.setdefault("tools", {})[key] = without_nulls(rest)

    def _namespace(self, space: NamespaceDeclaration, path: str) -> None:
        if space.description:
            self.own_settings.setdefault("namespaces", {})[space.name] = space.description
        for place, tool in enumerate(space.tools):
            self.add(tool, f"{path}.tools[{place}]", space.name)

    def _search(self, tool: JsonObject, path: str) -> None:
        search = read(tool, SearchDeclaration, path)
        filters = search.filters
        self._tools.append(
            WebSearchTool(
                allowed_domains=tuple((filters and filters.allowed_domains) or ()),
                blocked_domains=tuple((filters and filters.blocked_domains) or ()),
                user_location=search.user_location,
                live=tool.get("external_web_access") is not False,
            )
        )
        rest = {name: value for name, value in tool.items() if name not in _SEARCH_FIELDS}
        if rest:
            self.own_settings["web_search"] = without_nulls(rest)


def tool_key(name: object, namespace: str | None) -> str:
    """Return the key of a tool in ``own_settings``."""
    return f"{namespace or ''}\0{name}"


def _function(tool: JsonObject, path: str, namespace: str | None) -> FunctionTool:
    nested = tool.get("function")
    if isinstance(nested, dict) and "name" not in tool:  # the format of chat completions
        tool, path = nested, f"{path}.function"
    function = read(tool, FunctionDeclaration, path)
    return FunctionTool(
        function.name,
        function.description or "",
        function.parameters,
        function.strict,
        namespace,
    )


def decode_choice(choice: str | JsonObject | None) -> ToolChoice | None:
    """Return the tool choice, ``None`` if the client sent none."""
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice(_mode(choice, _MODES, "tool_choice"))
    if choice.get("type") == "allowed_tools":
        allowed = read(choice, AllowedTools, "tool_choice")
        mode = _mode(allowed.mode, ("auto", "required"), "tool_choice.mode")
        names = tuple(
            _chosen(tool, f"tool_choice.tools[{place}]") for place, tool in enumerate(allowed.tools)
        )
        return ToolChoice(mode, names)
    return ToolChoice("required", (_chosen(choice, "tool_choice"),))


def _mode(value: str, allowed: tuple[str, ...], path: str) -> Literal["auto", "none", "required"]:
    if value in allowed:
        return value  # type: ignore[return-value]
    raise refuse(path, value, allowed)


def _chosen(tool: JsonObject, path: str) -> str:
    """Return the name of a chosen tool; the name of a hosted tool is its kind."""
    kind = tool.get("type")
    if not isinstance(kind, str):
        raise refuse(f"{path}.type", kind, ("function", "custom", "allowed_tools", "web_search"))
    if kind in ("function", "custom"):
        name = tool.get("name")
        if not isinstance(name, str) and isinstance(tool.get("function"), dict):
            name = tool["function"].get("name")
        if not isinstance(name, str) or not name:
            raise required(f"{path}.name")
        return name
    return "web_search" if kind.startswith("web_search") else HOSTED_KINDS.get(kind, kind)
