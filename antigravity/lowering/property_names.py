"""Names of properties, for models that take plain ones only at the top of a function's schema.

"Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'", says Anthropic of ``filter[id]``,
``$top`` or ``Account Number``.  Such names are changed in declarations and in the history, and
changed back in the calls that come.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.ir.capabilities import Target
from antigravity.ir.events import Event, ToolCallDelta, ToolCallEnd, ToolCallStart
from antigravity.ir.parts import Part, ToolCall
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool, JsonObject, Tool

Names = Mapping[str, str]

_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9_.-]")
#: The number of characters of a name before its hash.
_STEM: Final = 54
_HASH: Final = 8


def fit_property_names(request: Request, target: Target) -> tuple[Request, PropertyNamePass | None]:
    """Return the request with names that the model accepts, and the pass that restores them."""
    pattern = target.capabilities.property_names
    if not pattern or not request.tools:
        return request, None
    legal = _compiled(pattern)
    changed: dict[str, Names] = {}
    tools: list[Tool] = []
    for tool in request.tools:
        if isinstance(tool, FunctionTool) and tool.parameters is not None:
            names = _names(tool.parameters, legal)
            if names:
                changed[tool.name] = names
                tool = replace(tool, parameters=_renamed(tool.parameters, names))
        tools.append(tool)
    if not changed:
        return request, None
    messages = tuple(_in_message(message, changed) for message in request.messages)
    fitted = replace(request, tools=tuple(tools), messages=messages)
    back = {tool: {new: old for old, new in names.items()} for tool, names in changed.items()}
    return fitted, PropertyNamePass(back)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _names(schema: JsonObject, legal: re.Pattern[str]) -> Names:
    """Return new names for the properties that need one."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    used = {name for name in properties if legal.fullmatch(name)}
    fitted: dict[str, str] = {}
    for name in properties:
        if name in used:
            continue
        found = _UNSAFE.sub("_", name) or "_"
        if found in used or not legal.fullmatch(found):
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
            found = f"{found[:_STEM]}_{digest[:_HASH]}"
        used.add(found)
        fitted[name] = found
    return fitted


def _renamed(schema: JsonObject, names: Names) -> JsonObject:
    """Return a schema with other names for its properties, in the same order."""
    fitted = {**schema, "properties": _with_names(schema["properties"], names)}
    if isinstance(schema.get("required"), list):
        fitted["required"] = [names.get(name, name) for name in schema["required"]]
    return fitted


def _with_names(value: Mapping[str, Any], names: Names) -> JsonObject:
    return {names.get(name, name): inner for name, inner in value.items()}


def _in_message(message: Message, changed: Mapping[str, Names]) -> Message:
    if not any(isinstance(part, ToolCall) and part.name in changed for part in message.parts):
        return message
    return replace(message, parts=tuple(_in_part(part, changed) for part in message.parts))


def _in_part(part: Part, changed: Mapping[str, Names]) -> Part:
    if not isinstance(part, ToolCall) or part.name not in changed:
        return part
    return replace(part, arguments=_in_arguments(part.arguments, changed[part.name]))


def _in_arguments(text: str, names: Names) -> str:
    """Return arguments with renamed top-level members; other JSON values stay as they are."""
    try:
        value = msgspec.json.decode(text.encode(), type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return text
    if names.keys().isdisjoint(value):
        return text
    return msgspec.json.encode(_with_names(value, names)).decode()


class PropertyNamePass:
    """Restores the client's property names in the arguments of tool calls.

    The arguments of such a call are held back until they are complete.
    """

    handles: tuple[type[Any], ...] = (ToolCallStart, ToolCallDelta, ToolCallEnd)

    def __init__(self, tools: Mapping[str, Names]) -> None:
        self._tools = tools
        self._open: dict[int, tuple[Names, list[str]]] = {}

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that replace ``event``."""
        match event:
            case ToolCallStart():
                names = self._tools.get(event.name)
                if names is not None:
                    self._open[event.call] = (names, [])
            case ToolCallDelta() if event.call in self._open:
                self._open[event.call][1].append(event.arguments)
                return ()
            case ToolCallEnd() if event.call in self._open:
                names, pieces = self._open.pop(event.call)
                text = _in_arguments("".join(pieces), names)
                if text:
                    return (ToolCallDelta(event.call, text, event.choice), event)
        return (event,)

    def close(self) -> Sequence[Event]:
        """Return no events: an incomplete call must not be executed."""
        return ()
