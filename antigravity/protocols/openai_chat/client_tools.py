"""Encodes the tools and the tool choice of a request."""

from __future__ import annotations

from typing import Any

from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, Tool, WebSearchTool
from antigravity.protocols.instructions import tool_instruction
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_chat.client_content import ContentWriter
from antigravity.protocols.openai_chat.schema import NAME


def write_tools(request: Request, target: Target, losses: Losses) -> tuple[dict[str, Any], str]:
    """Return the fields for tools, and the instruction to add, if any."""
    choice = request.tool_choice
    writer = _ToolWriter(target, losses)
    allowed = _allowed(request, target)
    if len(allowed) < len(request.tools):
        losses.add("tool_choice", "tools that it does not allow were dropped")
    for tool in allowed:
        writer.add(tool)
    fields = writer.fields()
    if "tools" not in fields:
        # Without tools the fields for their use are refused.
        if choice is not None and choice.mode == "required":
            losses.add("tool_choice", "dropped: no tool is left")
        return fields, ""
    if (
        choice is not None
        and choice.mode == "none"
        and not target.accepts("tool_choice_none", True)
    ):
        return {name: value for name, value in fields.items() if name != "tools"}, ""
    instruction = ""
    if choice is not None:
        forced = choice.mode == "required"
        if forced and not (
            target.capabilities.forced_tools and target.accepts("tool_choice_required", usual=True)
        ):
            losses.add("tool_choice", "the forced tool call became an instruction")
            fields["tool_choice"], instruction = "auto", tool_instruction(choice)
        else:
            fields["tool_choice"] = _choice(request, target)
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return fields, instruction


def _allowed(request: Request, target: Target) -> tuple[Tool, ...]:
    """Return the tools to declare: only the allowed ones if the target cannot restrict them."""
    choice = request.tool_choice
    if choice is None or not choice.names or choice.mode == "none":
        return request.tools
    if target.accepts("allowed_tools") or (
        choice.mode == "required"
        and len(choice.names) == 1
        and target.accepts("tool_choice_required", usual=True)
    ):
        return request.tools
    named = tuple(tool for tool in request.tools if getattr(tool, "name", "") in choice.names)
    return named or request.tools


class _ToolWriter:
    """Encoder of declarations for one target."""

    def __init__(self, target: Target, losses: Losses) -> None:
        self._losses = losses
        self._content = ContentWriter(target, losses)
        self._can_search = target.capabilities.web_search
        self._tools: list[dict[str, Any]] = []
        self._search: dict[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if self._tools:
            fields["tools"] = self._tools
        if self._search is not None:
            fields["web_search_options"] = self._search
        return fields

    def add(self, tool: Tool) -> None:
        match tool:
            case FunctionTool():
                self._tools.append(self._function(tool))
            case CustomTool():
                self._tools.append(self._custom(tool))
            case WebSearchTool():
                self._add_search(tool)
            case HostedTool(protocol=protocol) if protocol == NAME:
                self._tools.append(tool.wire)
            case HostedTool():
                detail = f"dropped: only {tool.protocol} has it"
                self._losses.add(f"tools.{tool.kind}", detail, content=True)

    def _function(self, tool: FunctionTool) -> dict[str, Any]:
        if tool.namespace is not None:
            self._losses.add("tools.namespace", "dropped: this protocol has no namespaces")
        function: dict[str, Any] = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        # OpenAI does not require parameters; others (Mistral) do.
        function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
        if tool.strict:
            function["strict"] = True
        return self._content.cached({"type": "function", "function": function}, tool.cache)

    def _custom(self, tool: CustomTool) -> dict[str, Any]:
        if tool.namespace is not None:
            self._losses.add("tools.namespace", "dropped: this protocol has no namespaces")
        custom: dict[str, Any] = {"name": tool.name}
        if tool.description:
            custom["description"] = tool.description
        if tool.format is not None:
            custom["format"] = _nested(tool.format)
        return {"type": "custom", "custom": custom}

    def _add_search(self, tool: WebSearchTool) -> None:
        if not self._can_search:
            detail = "dropped: the model does not support web search"
            self._losses.add("tools.web_search", detail, content=True)
            return
        if tool.allowed_domains or tool.blocked_domains or tool.max_uses is not None:
            self._losses.add(
                "tools.web_search.limits", "dropped: this protocol has no limits on searches"
            )
        self._search = {}
        if tool.user_location is not None:
            place = {key: item for key, item in tool.user_location.items() if key != "type"}
            self._search["user_location"] = {"type": "approximate", "approximate": place}


def _choice(request: Request, target: Target) -> str | dict[str, Any]:
    choice = request.tool_choice
    assert choice is not None
    if not choice.names or choice.mode == "none":
        return choice.mode
    custom = {tool.name for tool in request.tools if isinstance(tool, CustomTool)}
    named = []
    for name in choice.names:
        kind = "custom" if name in custom else "function"
        named.append({"type": kind, kind: {"name": name}})
    if choice.mode == "required" and len(named) == 1:
        return named[0]
    if not target.accepts("allowed_tools"):
        return choice.mode  # only the allowed tools are declared
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}


def _nested(form: dict[str, Any]) -> dict[str, Any]:
    """Return the format of a custom tool with its grammar in a member of its own."""
    if form.get("type") != "grammar" or "grammar" in form:
        return form
    grammar = {name: value for name, value in form.items() if name != "type"}
    return {"type": "grammar", "grammar": grammar}
