"""Maps the tools of a request to names and forms of the target, and responses back.

Targets differ in the names that they take, and most know neither namespaces nor free-form
(custom) tools.  One table per request maps every tool to a name on the wire; it is applied
to declarations, to the history, to the tool choice and to the answer alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from antigravity.ir.capabilities import Traits
from antigravity.ir.events import Event, ToolCallDelta, ToolCallEnd, ToolCallStart
from antigravity.ir.json_reader import decode
from antigravity.ir.parts import Part, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import CustomTool, FunctionTool, Tool, ToolChoice

#: The only argument of the function that replaces a custom tool.
CUSTOM_INPUT: Final = "input"

_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


class ToolIdentity(Struct, frozen=True):
    """A tool of the client."""

    name: str
    namespace: str | None = None
    kind: str = "function"


class ToolTable:
    """The two-way map between the tools of one request and their names on the wire."""

    def __init__(self, traits: Traits) -> None:
        self._traits = traits
        self._to_wire: dict[tuple[str | None, str], str] = {}
        self._from_wire: dict[str, ToolIdentity] = {}
        self._named: dict[str, list[str]] = {}

    def add(self, identity: ToolIdentity) -> str:
        """Return the wire name of a tool, giving it one if it is new."""
        key = (identity.namespace, identity.name)
        wire = self._to_wire.get(key)
        if wire is None:
            wire = self._name(identity)
            self._to_wire[key] = wire
            self._from_wire[wire] = identity
            self._named.setdefault(identity.name, []).append(wire)
        return wire

    def wire_name(self, name: str, namespace: str | None = None) -> str:
        """Return the wire name of a tool that may not have been declared."""
        known = self._to_wire.get((namespace, name))
        return known if known is not None else self.add(ToolIdentity(name, namespace))

    def wire_names(self, name: str) -> list[str]:
        """Return the wire names of all tools of that name, in any namespace."""
        return self._named.get(name) or [self.wire_name(name)]

    def identity(self, wire: str) -> ToolIdentity | None:
        """Return the tool with a wire name, if there is one."""
        return self._from_wire.get(wire)

    @property
    def trivial(self) -> bool:
        """Whether responses need no mapping."""
        return all(
            wire == identity.name and (identity.namespace is None or self._traits.namespaces)
            for wire, identity in self._from_wire.items()
        ) and not (self.customs and not self._traits.custom_tools)

    @property
    def customs(self) -> bool:
        """Whether a custom tool is among the tools."""
        return any(identity.kind == "custom" for identity in self._from_wire.values())

    def _name(self, identity: ToolIdentity) -> str:
        """Return an unused legal name similar to the tool's own."""
        traits = self._traits
        flat = identity.name
        if identity.namespace is not None and not traits.namespaces:
            flat = f"{identity.namespace}__{identity.name}"
        if self._legal(flat) and flat not in self._from_wire:
            return flat
        digest = hashlib.sha256(f"{identity.namespace}\0{identity.name}".encode()).hexdigest()[:8]
        stem = _UNSAFE.sub("_", flat)[: traits.name_max - len(digest) - 1]
        if not stem[:1].isalpha():
            stem = f"t_{stem}"[: traits.name_max - len(digest) - 1]
        return f"{stem}_{digest}"

    def _legal(self, name: str) -> bool:
        traits = self._traits
        return len(name) <= traits.name_max and traits.name_pattern.fullmatch(name) is not None


def lower_tools(request: Request, traits: Traits) -> tuple[Request, ToolTable]:
    """Return the request with tools that ``traits`` allow, and the table that was used."""
    table = ToolTable(traits)
    for tool in request.tools:
        if isinstance(tool, FunctionTool):
            table.add(ToolIdentity(tool.name, tool.namespace))
        elif isinstance(tool, CustomTool):
            table.add(ToolIdentity(tool.name, tool.namespace, "custom"))
    messages = tuple(_lower_message(message, table, traits) for message in request.messages)
    if table.trivial:
        return request, table
    return (
        replace(
            request,
            tools=tuple(_lower_tool(tool, table, traits) for tool in request.tools),
            tool_choice=_lower_choice(request.tool_choice, table),
            messages=messages,
        ),
        table,
    )


def _lower_tool(tool: Tool, table: ToolTable, traits: Traits) -> Tool:
    match tool:
        case FunctionTool():
            namespace = tool.namespace if traits.namespaces else None
            name = table.wire_name(tool.name, tool.namespace)
            return replace(tool, name=name, namespace=namespace)
        case CustomTool():
            namespace = tool.namespace if traits.namespaces else None
            name = table.wire_name(tool.name, tool.namespace)
            if traits.custom_tools:
                return replace(tool, name=name, namespace=namespace)
            return FunctionTool(
                name=name,
                description=_custom_description(tool),
                parameters=_custom_parameters(),
                namespace=namespace,
            )
        case _:
            return tool


def _custom_parameters() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {CUSTOM_INPUT: {"type": "string", "description": "The tool's whole input."}},
        "required": [CUSTOM_INPUT],
    }


def _custom_description(tool: CustomTool) -> str:
    """Return the description with the grammar, since functions have no member for it."""
    lines = [tool.description] if tool.description else []
    form = tool.format or {}
    grammar = form.get("grammar", form)
    definition = grammar.get("definition") if isinstance(grammar, dict) else None
    if definition:
        syntax = grammar.get("syntax", "given")
        lines.append(f"The input must match this {syntax} grammar:\n{definition}")
    else:
        lines.append("The input is free text.")
    return "\n\n".join(lines)


def _lower_choice(choice: ToolChoice | None, table: ToolTable) -> ToolChoice | None:
    if choice is None or not choice.names:
        return choice
    names = [wire for name in choice.names for wire in table.wire_names(name)]
    return replace(choice, names=tuple(dict.fromkeys(names)))


def _lower_message(message: Message, table: ToolTable, traits: Traits) -> Message:
    if not any(isinstance(part, ToolCall | ToolResult) for part in message.parts):
        return message
    return replace(message, parts=tuple(_lower_part(part, table, traits) for part in message.parts))


def _lower_part(part: Part, table: ToolTable, traits: Traits) -> Part:
    match part:
        case ToolCall():
            name = table.wire_name(part.name, part.namespace)
            namespace = part.namespace if traits.namespaces else None
            if part.kind == "custom" and not traits.custom_tools:
                arguments = msgspec.json.encode({CUSTOM_INPUT: part.arguments}).decode()
                return replace(
                    part, name=name, namespace=namespace, kind="function", arguments=arguments
                )
            return replace(part, name=name, namespace=namespace)
        case ToolResult():
            kind = part.kind if traits.custom_tools else "function"
            of = part.name if part.name is None else table.wire_names(part.name)[0]
            return replace(part, name=of, kind=kind)
        case _:
            return part


class ToolRestorer:
    """Puts the tool calls of an answer back into the client's words."""

    handles: tuple[type[Any], ...] = (ToolCallStart, ToolCallDelta, ToolCallEnd)

    def __init__(self, table: ToolTable, traits: Traits) -> None:
        self._table = table
        self._unwrap = not traits.custom_tools
        self._inputs: dict[int, list[str]] = {}

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that ``event`` becomes."""
        match event:
            case ToolCallStart():
                return (self._start(event),)
            case ToolCallDelta() if event.call in self._inputs:
                self._inputs[event.call].append(event.arguments)
                return ()
            case ToolCallEnd() if event.call in self._inputs:
                text = custom_input("".join(self._inputs.pop(event.call)))
                return (ToolCallDelta(event.call, text, event.choice), event)
            case _:
                return (event,)

    def close(self) -> Sequence[Event]:
        """Return what was held back: nothing that a client could use."""
        return ()

    def _start(self, event: ToolCallStart) -> ToolCallStart:
        identity = self._table.identity(event.name)
        if identity is None:
            return event
        if identity.kind != "custom":
            return replace(event, name=identity.name, namespace=identity.namespace)
        if self._unwrap:
            self._inputs[event.call] = []
        return replace(event, name=identity.name, namespace=identity.namespace, kind="custom")


def custom_input(arguments: str) -> str:
    """Return the free text in the arguments of a function that stood in for a custom tool.

    Models sometimes ignore the schema; what is no object with the one argument is the text itself.
    """
    try:
        value = decode(arguments.encode())
    except msgspec.DecodeError:
        return arguments
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        text = value.get(CUSTOM_INPUT)
        if isinstance(text, str):
            return text
    return arguments
