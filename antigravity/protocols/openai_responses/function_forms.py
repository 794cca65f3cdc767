"""Functions in the place of tools that the client runs and that have types of their own.

Models of other providers know neither ``apply_patch`` nor ``shell``, ``local_shell`` and
``tool_search``, but they can call functions with the same arguments.  Their calls become items of
the tool's type again.  What a search has found is declared to them like any tool, and what tools of
OpenAI have returned is text for them.  OpenAI puts a function that a search has loaded into a
namespace of its own name in calls, so calls of such functions get it, and lose it in the history.

Source: https://platform.openai.com/docs/guides/tools-apply-patch and the types of the SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.interfaces.server_traits import FunctionForms
from antigravity.ir.capabilities import Loss
from antigravity.ir.events import (
    Event,
    Finish,
    OpaqueOutput,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from antigravity.ir.json_reader import decode
from antigravity.ir.parts import Opaque, Part, Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice
from antigravity.protocols.openai_responses.configuration_updates import UPDATE, apply_updates
from antigravity.protocols.openai_responses.hosted_calls import HOSTED_CALLS, hosted_call_text
from antigravity.protocols.openai_responses.schema import NAME, JsonObject
from antigravity.protocols.openai_responses.server_request import OWN_SETTINGS
from antigravity.protocols.openai_responses.server_tools import ToolReader, tool_key
from antigravity.protocols.openai_responses.typed_tools import FORMS, SEARCH, ToolForm, is_hosted

_BY_CALL: Final = {form.call: form for form in FORMS.values()}
_BY_RESULT: Final = {form.result: form for form in FORMS.values()}
#: The types of items that are converted.
_CONVERTED: Final = frozenset((*_BY_CALL, *_BY_RESULT, *HOSTED_CALLS, UPDATE))
_SEARCHED: Final = Loss(
    "tools.tool_search", "all tools were declared at once: only OpenAI searches them"
)


def as_functions(request: Request) -> FunctionForms | None:
    """Return the request with functions for such tools, ``None`` if it has none.

    :raises InvalidRequestError: if a tool that a search has found, or a change of the
        configuration, is not valid.
    """
    if not any(_is_typed(tool) for tool in request.tools) and not any(
        type(part) is Opaque and _is_item(part)  # nearly no part is one
        for message in request.messages
        for part in message.parts
    ):
        return None
    request = apply_updates(request)
    converter = _Converter(request)
    tools = tuple(converter.tools())
    names = {name: form for form, name in converter.names.items()}
    converted = replace(
        request,
        tools=tools,
        tool_choice=_choice(request.tool_choice, converter.names),
        messages=converter.messages(),
    )
    deferred = converter.deferred
    restorer = _FunctionRestorer(names, deferred) if names or deferred else None
    return FunctionForms(converted, tuple(converter.losses), restorer)


def _is_typed(tool: Tool) -> bool:
    return isinstance(tool, HostedTool) and tool.protocol == NAME and tool.kind in FORMS


def _is_item(part: Part) -> bool:
    return isinstance(part, Opaque) and part.protocol == NAME and part.kind in _CONVERTED


def _choice(choice: ToolChoice | None, names: dict[ToolForm, str]) -> ToolChoice | None:
    if choice is None or not choice.names:
        return choice
    renamed = {form.kind: name for form, name in names.items()}
    return replace(choice, names=tuple(renamed.get(name, name) for name in choice.names))


class _Converter:
    """The conversion of one request.

    :ivar names: the names of the functions.
    :ivar deferred: the names of functions outside of namespaces that a search would load.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._taken = {
            tool.name for tool in request.tools if isinstance(tool, FunctionTool | CustomTool)
        }
        self._call_ids: dict[str, str] = {}  # of calls in the history, by the ids of their items
        self.names: dict[ToolForm, str] = {}
        self.losses: list[Loss] = []
        settings = request.extensions.get(OWN_SETTINGS, {}).get("tools", {})
        self.deferred = frozenset(
            tool.name
            for tool in request.tools
            if isinstance(tool, FunctionTool)
            and tool.namespace is None
            and settings.get(tool_key(tool.name, None), {}).get("defer_loading") is True
        )

    def tools(self) -> Iterator[Tool]:
        """Yield the tools, those that searches have found behind the others."""
        for tool in self._request.tools:
            form = FORMS.get(tool.kind) if isinstance(tool, HostedTool) else None
            if form is None or not isinstance(tool, HostedTool) or tool.protocol != NAME:
                yield tool
            elif not is_hosted(tool.wire):
                yield FunctionTool(self._name(form), *form.declare(tool.wire), strict=False)
            elif form is SEARCH:
                self._lose(_SEARCHED)
            else:
                yield tool
        known = {_identity(tool) for tool in self._request.tools}
        for found in self._found():
            if _identity(found) not in known:
                known.add(_identity(found))
                yield found

    def _found(self) -> Sequence[Tool]:
        """Return the tools that searches in the history have found."""
        reader = ToolReader()
        for message in self._request.messages:
            for part in message.parts:
                if not isinstance(part, Opaque) or part.kind != SEARCH.result:
                    continue
                listed = part.wire.get("tools")
                for place, tool in enumerate(listed if isinstance(listed, list) else ()):
                    if isinstance(tool, dict):
                        reader.add(tool, f"{SEARCH.result}.tools[{place}]")
        return reader.tools()

    def _name(self, form: ToolForm) -> str:
        name = self.names.get(form)
        if name is None:
            name = form.kind
            while name in self._taken:
                name += "_tool"
            self._taken.add(name)
            self.names[form] = name
        return name

    def messages(self) -> tuple[Message, ...]:
        """Return the history with calls of functions."""
        converted = []
        for message in self._request.messages:
            if any(_is_item(part) or self._is_loaded(part) for part in message.parts):
                message = replace(message, parts=tuple(self._parts(message.parts)))
            if message.parts:
                converted.append(message)
        return tuple(converted)

    def _is_loaded(self, part: Part) -> bool:
        """Return whether a part is a call of a function in a namespace of its own name."""
        return (
            isinstance(part, ToolCall)
            and part.namespace == part.name
            and part.name in self.deferred
        )

    def _parts(self, parts: Sequence[Part]) -> Iterator[Part]:
        for part in parts:
            if isinstance(part, ToolCall) and self._is_loaded(part):
                yield replace(part, namespace=None)
            elif not isinstance(part, Opaque) or not _is_item(part):
                yield part
            elif part.kind in _BY_CALL:
                yield from self._call(_BY_CALL[part.kind], part.wire)
            elif part.kind in HOSTED_CALLS:
                self._lose(Loss(f"messages.{part.kind}", "the call and its result became text"))
                yield Text(hosted_call_text(part.kind, part.wire))
            elif part.kind in _BY_RESULT:
                yield from self._result(_BY_RESULT[part.kind], part.wire)

    def _lose(self, loss: Loss) -> None:
        if loss not in self.losses:
            self.losses.append(loss)

    def _call(self, form: ToolForm, wire: JsonObject) -> Iterator[ToolCall]:
        if _is_of_provider(form, wire):
            return
        call_id, item_id = wire.get("call_id"), wire.get("id")
        if not isinstance(call_id, str):
            call_id = str(item_id or form.kind)
        if isinstance(item_id, str):
            self._call_ids[item_id] = call_id
        arguments = msgspec.json.encode(form.read(wire)).decode()
        yield ToolCall(call_id, self.names.get(form, form.kind), arguments)

    def _result(self, form: ToolForm, wire: JsonObject) -> Iterator[ToolResult]:
        if _is_of_provider(form, wire):
            return
        call_id = wire.get("call_id")
        if not isinstance(call_id, str):
            call_id = self._call_ids.get(str(wire.get("id")), str(wire.get("id") or form.kind))
        text = form.result_text(wire)
        failed = wire.get("status") == "failed"
        yield ToolResult(call_id, (Text(text),) if text else (), is_error=failed)


def _is_of_provider(form: ToolForm, wire: JsonObject) -> bool:
    """Return whether an item is of a search that OpenAI made; what it has found is declared."""
    return form is SEARCH and wire.get("execution") != "client"


def _identity(tool: Tool) -> tuple[str | None, str]:
    if isinstance(tool, FunctionTool | CustomTool):
        return tool.namespace, tool.name
    return None, repr(tool)


class _FunctionRestorer:
    """Replaces calls of these functions by items of the tool's type, each when it is complete.

    Calls of ``deferred`` functions get a namespace of their name.
    """

    handles: tuple[type[Any], ...] = (ToolCallStart, ToolCallDelta, ToolCallEnd, Finish)

    def __init__(self, forms: dict[str, ToolForm], deferred: frozenset[str]) -> None:
        self._forms = forms
        self._deferred = deferred
        self._open: dict[int, tuple[ToolCallStart, list[str]]] = {}

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that ``event`` becomes."""
        match event:
            case ToolCallStart(namespace=None) if event.name in self._forms:
                self._open[event.call] = event, []
                return ()
            case ToolCallStart(namespace=None) if event.name in self._deferred:
                return (replace(event, namespace=event.name),)
            case ToolCallDelta() if event.call in self._open:
                self._open[event.call][1].append(event.arguments)
                return ()
            case ToolCallEnd() if event.call in self._open:
                return self._item(*self._open.pop(event.call), "completed")
            case Finish():
                left = [
                    call for call, (start, _) in self._open.items() if start.choice == event.choice
                ]
                status = "incomplete" if event.reason == "length" else "completed"
                items = [self._item(*self._open.pop(call), status) for call in left]
                return (*(each for item in items for each in item), event)
            case _:
                return (event,)

    def close(self) -> Sequence[Event]:
        """Return what was held back: nothing that a client could use."""
        return ()

    def _item(self, start: ToolCallStart, pieces: list[str], status: str) -> list[Event]:
        form = self._forms[start.name]
        wire = {"type": form.call, "call_id": start.id, **form.write(_value("".join(pieces)))}
        if form.call == "apply_patch_call":
            status = "completed"  # it has no other end
        events: list[Event] = []
        if start.signature is not None:
            events.append(ThinkingSignature(start.signature, start.choice))
        begun = {**wire, "status": "in_progress"}
        events.append(OpaqueOutput(NAME, form.call, begun, complete=False, choice=start.choice))
        done = {**wire, "status": status}
        events.append(OpaqueOutput(NAME, form.call, done, choice=start.choice))
        return events


def _value(arguments: str) -> object:
    """Return the arguments of a call; what is no JSON is a text."""
    try:
        return decode(arguments.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
