"""Decodes the messages of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from antigravity.ir.parts import Opaque, Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message
from antigravity.protocols.json_body import bad_field
from antigravity.protocols.openai_chat.extra_content import read_signature
from antigravity.protocols.openai_chat.schema import (
    NAME,
    AssistantMessage,
    DeveloperMessage,
    FunctionCall,
    FunctionMessage,
    SystemMessage,
    ToolCallItem,
    ToolMessage,
    UserMessage,
    WireMessage,
)
from antigravity.protocols.openai_chat.server_content import texts, texts_and_media


def read_messages(
    wire: Sequence[WireMessage], custom: frozenset[str] = frozenset()
) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """Return the leading instructions and the conversation.

    ``custom`` are the names of custom tools: calls of functions with these names are theirs.
    """
    reader = _Reader(custom)
    for place, message in enumerate(wire):
        reader.feed(message, f"messages[{place}]")
    return tuple(reader.system), tuple(reader.messages)


class _Reader:
    """Collector of messages, and of the calls so far, to which results refer."""

    def __init__(self, custom: frozenset[str]) -> None:
        self._custom = custom
        self.system: list[Text] = []
        self.messages: list[Message] = []
        self._results: list[ToolResult] | None = None  # of the user message that is growing
        self._kinds: dict[str, Literal["function", "custom"]] = {}
        self._legacy: list[tuple[str, str]] = []  # names and ids of calls without a result

    def feed(self, message: WireMessage, at: str) -> None:
        match message:
            case ToolMessage():
                parts = texts_and_media(message.content or None, f"{at}.content")
                kind = self._kinds.get(message.tool_call_id, "function")
                self._add_result(
                    ToolResult(message.tool_call_id, parts, name=message.name, kind=kind)
                )
            case FunctionMessage():
                parts = texts_and_media(message.content or None, f"{at}.content")
                call_id = self._legacy_id(message.name)
                self._add_result(ToolResult(call_id, parts, name=message.name))
            case SystemMessage() | DeveloperMessage():
                self._add_system(message, at)
            case UserMessage():
                content = texts_and_media(message.content, f"{at}.content")
                self._add(Message("user", content, message.name))
            case AssistantMessage():
                self._add(Message("assistant", self._assistant(message, at), message.name))

    def _add(self, message: Message) -> None:
        self._results = None
        self.messages.append(message)

    def _add_result(self, result: ToolResult) -> None:
        """Add a result, to the user message before it if that has only results."""
        if self._results is None:
            self._add(Message("user", ()))
            self._results = []
        self._results.append(result)
        self.messages[-1] = Message("user", tuple(self._results))

    def _add_system(self, message: SystemMessage | DeveloperMessage, at: str) -> None:
        parts = texts(message.content, f"{at}.content")
        if self.messages:
            self._add(Message("system", parts, message.name))
        else:
            self.system.extend(parts)

    def _legacy_id(self, name: str) -> str:
        """Return the id that was made for the latest open ``function_call`` of a function."""
        for place in range(len(self._legacy) - 1, -1, -1):
            if self._legacy[place][0] == name:
                return self._legacy.pop(place)[1]
        return f"call_{name}"

    def _assistant(self, message: AssistantMessage, at: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        details = _text_of(message.reasoning_details)
        for thoughts in (message.reasoning_content, message.reasoning, details):
            if isinstance(thoughts, str) and thoughts:
                parts.append(Thinking(thoughts))
                break
        parts += texts_and_media(message.content or None, f"{at}.content")
        if message.refusal:
            parts.append(Text(message.refusal))
        if message.audio is not None:
            parts.append(Opaque(NAME, "audio", {"id": message.audio.id}))
        for place, call in enumerate(message.tool_calls or ()):
            parts.append(self._call(call, f"{at}.tool_calls[{place}]"))
        if message.function_call is not None:
            call_id = f"call_legacy_{len(self.messages)}"
            self._legacy.append((message.function_call.name, call_id))
            arguments = _arguments(message.function_call)
            parts.append(ToolCall(call_id, message.function_call.name, arguments))
        return tuple(parts)

    def _call(self, wire: ToolCallItem, at: str) -> ToolCall:
        self._kinds[wire.id] = wire.type
        signature = read_signature(wire.extra_content)
        if wire.type == "custom":
            if wire.custom is None:
                raise bad_field(f"{at}.custom", "is required")
            name, text = wire.custom.name, wire.custom.input
            return ToolCall(wire.id, name, text, kind="custom", signature=signature)
        if wire.function is None:
            raise bad_field(f"{at}.function", "is required")
        if wire.function.name in self._custom:
            self._kinds[wire.id] = "custom"
            text = _arguments(wire.function)
            return ToolCall(wire.id, wire.function.name, text, kind="custom", signature=signature)
        return ToolCall(wire.id, wire.function.name, _arguments(wire.function), signature=signature)


def _arguments(call: FunctionCall) -> str:
    if isinstance(call.arguments, dict):
        return msgspec.json.encode(call.arguments).decode()
    return call.arguments or "{}"


def _text_of(details: Any) -> str:
    """Return the text in ``reasoning_details``, a list in the format of OpenRouter and MiniMax."""
    found = details if isinstance(details, list) else ()
    texts = (each.get("text") or each.get("summary") for each in found if isinstance(each, dict))
    return "".join(text for text in texts if isinstance(text, str))
