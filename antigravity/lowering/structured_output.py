"""Emulates response schemas for targets that do not support them.

The schema becomes the parameters of a function that the model must call; the arguments of
the call are the response.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.events import (
    Event,
    Finish,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from antigravity.ir.json_reader import decode
from antigravity.ir.parts import Text
from antigravity.ir.request import Request, ResponseFormat
from antigravity.ir.tools import FunctionTool, ToolChoice

_VALUE: Final = "value"
_DEFINITIONS: Final = ("$defs", "definitions")
#: Keywords that a schema of a plain object does not have.
_NOT_AT_TOP: Final = frozenset(("$ref", "oneOf", "anyOf", "allOf", "enum", "not"))


def needs_emulation(request: Request, capabilities: Capabilities) -> bool:
    """Return whether the target does not accept the request's schema."""
    if request.response_format.kind != "schema":
        return False
    if not capabilities.structured_output:
        return True
    return bool(request.tools) and not capabilities.structured_output_with_tools


def needs_instruction(request: Request, capabilities: Capabilities) -> bool:
    """Return whether only an instruction can ask the model for JSON: it has no tools either."""
    wanted = request.response_format.kind != "text"
    return wanted and not capabilities.structured_output and not capabilities.tools


def instruct_format(request: Request) -> Request:
    """Return the request with an instruction instead of its response format."""
    text = "Answer with one JSON object and nothing else: no prose, no code fence."
    schema = request.response_format.schema
    if schema is not None:
        text = (
            "Answer with JSON and nothing else: no prose, no code fence. It must be valid against "
            f"this JSON Schema: {msgspec.json.encode(schema).decode()}"
        )
    system = (*request.system, Text(text))
    return replace(request, system=system, response_format=ResponseFormat())


def must_call_tool(request: Request) -> bool:
    """Return whether the client requires a call of one of its tools."""
    choice = request.tool_choice
    return bool(request.tools) and choice is not None and choice.mode == "required"


def emulate_schema(request: Request) -> tuple[Request, StructuredOutputPass]:
    """Return the request with its schema as a tool, and the pass that reverts this."""
    form = request.response_format
    used = {tool.name for tool in request.tools if isinstance(tool, FunctionTool)}
    name = "structured_response"
    while name in used:
        name += "_"
    schema = form.schema or {"type": "object"}
    wrapped = schema.get("type") != "object"
    tool = FunctionTool(
        name=name,
        description=form.description or "Give the final answer. Call this once, at the end.",
        parameters=_wrap(schema) if wrapped else schema,
    )
    only = not request.tools or (request.tool_choice or ToolChoice()).mode == "none"
    original = request.tool_choice or ToolChoice()
    names = (name,) if only else (*original.names, name) if original.names else ()
    choice = ToolChoice("required", names)
    lowered = replace(
        request,
        tools=(tool,) if only else (*request.tools, tool),
        tool_choice=choice,
        response_format=ResponseFormat(),
    )
    return lowered, StructuredOutputPass(name, wrapped=wrapped)


def needs_object(request: Request, target: Target) -> bool:
    """Return whether the target accepts only schemas of plain objects, and this is another one."""
    schema = request.response_format.schema
    if request.response_format.kind != "schema" or schema is None:
        return False
    if not target.accepts("object_schemas", usual=target.capabilities.family == "openai"):
        return False
    return schema.get("type") != "object" or not _NOT_AT_TOP.isdisjoint(schema)


def wrap_schema(request: Request) -> tuple[Request, UnwrapPass]:
    """Return the request with its schema inside of an object, and the pass that reverts this."""
    form = request.response_format
    schema = _wrap(form.schema or {})
    if form.strict:
        schema["additionalProperties"] = False
    wrapped = replace(request, response_format=replace(form, schema=schema))
    return wrapped, UnwrapPass()


def _wrap(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an object schema with the schema as a member, since arguments must be an object."""
    inner = {key: value for key, value in schema.items() if key not in _DEFINITIONS}
    outer = {key: value for key, value in schema.items() if key in _DEFINITIONS}
    return {"type": "object", "properties": {_VALUE: inner}, "required": [_VALUE], **outer}


class StructuredOutputPass:
    """Converts the call of the schema tool into text.

    Other text is held back until it is certain that the tool was not called.
    """

    handles: tuple[type[Any], ...] = (TextDelta, ToolCallStart, ToolCallDelta, ToolCallEnd, Finish)

    def __init__(self, name: str, *, wrapped: bool) -> None:
        self._name = name
        self._wrapped = wrapped
        self._call: int | None = None
        self._answer: list[str] = []
        self._text: list[TextDelta] = []
        self._answered = False
        self._others = False

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that replace ``event``."""
        match event:
            case TextDelta():
                self._text.append(event)
                return ()
            case ToolCallStart() if event.name == self._name:
                self._call = event.call
                return ()
            case ToolCallDelta() if event.call == self._call:
                self._answer.append(event.arguments)
                return ()
            case ToolCallEnd() if event.call == self._call:
                return self._end(event)
            case ToolCallStart():
                self._others = True
                return (*self._release(), event)  # text before a call stays before it
            case Finish():
                return self._finish(event)
        return (event,)

    def close(self) -> Sequence[Event]:
        """Return the held back text, if the tool was not called."""
        return self._release()

    def _end(self, event: ToolCallEnd) -> Sequence[Event]:
        self._call, self._answered = None, True
        text = "".join(self._answer)
        return (TextDelta(_unwrapped(text) if self._wrapped else text, event.choice),)

    def _finish(self, event: Finish) -> Sequence[Event]:
        released = self._release()
        if event.reason == "tool_calls" and self._answered and not self._others:
            return (*released, replace(event, reason="stop"))
        return (*released, event)

    def _release(self) -> Sequence[Event]:
        held, self._text = self._text, []
        return () if self._answered else tuple(held)


class UnwrapPass:
    """Removes the added object from a response, which is held back until its end."""

    handles: tuple[type[Any], ...] = (TextDelta, Finish)

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that replace ``event``."""
        if isinstance(event, TextDelta):
            self._texts.setdefault(event.choice, []).append(event.text)
            return ()
        if isinstance(event, Finish):
            return (*self._release(event.choice), event)
        return (event,)

    def close(self) -> Sequence[Event]:
        """Return the texts of choices that have no end."""
        return [found for choice in list(self._texts) for found in self._release(choice)]

    def _release(self, choice: int) -> Sequence[Event]:
        text = "".join(self._texts.pop(choice, ()))
        return (TextDelta(_unwrapped(text), choice),) if text else ()


def _unwrapped(text: str) -> str:
    try:
        value = decode(text.encode(), dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return text
    inner = value.get(_VALUE)
    return text if inner is None else bytes(inner).decode()
