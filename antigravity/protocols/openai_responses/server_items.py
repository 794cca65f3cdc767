"""Decodes the input items of a request as messages."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from antigravity.ir.media import InlineData
from antigravity.ir.parts import (
    Media,
    Opaque,
    Part,
    SearchResult,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message
from antigravity.ir.signature import Signature
from antigravity.protocols.openai_responses.encrypted import read_encrypted
from antigravity.protocols.openai_responses.schema import (
    NAME,
    CallItem,
    ImageItem,
    JsonObject,
    MessageItem,
    OutputItem,
    ReasoningItem,
    SearchItem,
    read,
    refuse,
    required,
)
from antigravity.protocols.openai_responses.server_content import decode_content, decode_parts

#: The roles of message items.
ROLES: Final = ("user", "assistant", "system", "developer")

#: The types of items in error messages; the reader keeps unknown types unchanged.
ITEM_TYPES: Final = (
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "reasoning",
    "web_search_call",
    "image_generation_call",
    "item_reference",
)

#: Items with a client's results, besides those whose type ends in ``_output``.
_CLIENT_ITEMS: Final = frozenset(("mcp_approval_response", "compaction_trigger", "item_reference"))


class ConversationReader:
    """Reader of items, which collects consecutive items of the assistant in one message."""

    def __init__(self) -> None:
        self.system: list[Text] = []
        self.tools: list[tuple[JsonObject, str]] = []
        self._messages: list[Message] = []
        self._turn: Literal["assistant", "results", ""] = ""
        self._parts: list[Part] = []
        self._characters = 0  # of the texts in the open turn

    def messages(self) -> tuple[Message, ...]:
        """Return the messages, the open turn included."""
        self._close()
        return tuple(self._messages)

    def instruct(self, text: str) -> None:
        """Add ``instructions``, the beginning of the system prompt."""
        if text:
            self.system.append(Text(text))

    def _close(self) -> None:
        if self._parts:
            role: Literal["assistant", "user"] = (
                "assistant" if self._turn == "assistant" else "user"
            )
            self._messages.append(Message(role, tuple(self._parts)))
        self._turn, self._parts, self._characters = "", [], 0

    def _add(self, turn: Literal["assistant", "results"], part: Part) -> None:
        if self._turn != turn:
            self._close()
            self._turn = turn
        self._parts.append(part)
        if isinstance(part, Text):
            self._characters += len(part.text)

    def add(self, item: JsonObject, path: str) -> None:
        """Decode the item at ``path`` of the body.

        :raises InvalidRequestError: naming the field at fault.
        """
        kind = item.get("type")
        if kind is None:
            kind = "message" if "role" in item else "item_reference" if "id" in item else None
        match kind:
            case "message":
                self._message(read(item, MessageItem, path), path)
            case "function_call" | "custom_tool_call":
                self._add("assistant", _call(read(item, CallItem, path), kind, path))
            case "function_call_output" | "custom_tool_call_output":
                self._add("results", _result(read(item, OutputItem, path), kind, path))
            case "reasoning":
                self._reasoning(read(item, ReasoningItem, path))
            case "web_search_call":
                self._add("assistant", decode_search(read(item, SearchItem, path)))
            case "image_generation_call":
                self._image(item, path)
            case "additional_tools":
                for place, tool in enumerate(read(item, _AdditionalTools, path).tools):
                    self.tools.append((tool, f"{path}.tools[{place}]"))
            case str():
                client = kind.endswith("_output") or kind in _CLIENT_ITEMS
                self._add("results" if client else "assistant", Opaque(NAME, kind, item))
            case _:
                raise refuse(f"{path}.type", kind, ITEM_TYPES)

    def _message(self, item: MessageItem, path: str) -> None:
        if item.role not in ROLES:
            raise refuse(f"{path}.role", item.role, ROLES)
        if item.role == "assistant":
            before = self._characters if self._turn == "assistant" else 0
            for part in decode_content(item.content, f"{path}.content", before):
                if item.phase is not None and isinstance(part, Text):
                    part = msgspec.structs.replace(part, phase=item.phase)
                self._add("assistant", part)
            return
        self._close()
        parts = decode_content(item.content, f"{path}.content")
        if item.role == "user":
            self._messages.append(Message("user", parts))
            return
        texts = tuple(part for part in parts if isinstance(part, Text))
        if not self._messages and texts == parts:
            self.system += texts
        else:
            self._messages.append(Message("system", parts))

    def _reasoning(self, item: ReasoningItem) -> None:
        pieces = item.summary or item.content or ()
        text = "\n\n".join(piece.text for piece in pieces)
        if not item.encrypted_content:
            if text:
                self._add("assistant", Thinking(text))
            return
        kind, signature = read_encrypted(item.encrypted_content)
        if kind == "trailing":
            self._sign_last(signature)
        elif kind == "redacted":
            empty = Signature("", signature.family)
            self._add("assistant", Thinking(text, empty, redacted=signature.value))
        else:
            self._add("assistant", Thinking(text, signature))

    def _sign_last(self, signature: Signature) -> None:
        """Add a signature to the last part, or to an empty text."""
        last = self._parts[-1] if self._parts and self._turn == "assistant" else None
        if isinstance(last, Text | Media) and last.signature is None:
            self._parts[-1] = msgspec.structs.replace(last, signature=signature)
        else:
            self._add("assistant", Text("", signature=signature))

    def _image(self, item: JsonObject, path: str) -> None:
        image = read(item, ImageItem, path)
        if image.result:
            mime_type = f"image/{image.output_format or 'png'}"
            self._add("assistant", Media("image", InlineData(image.result), mime_type))
        else:
            self._add("assistant", Opaque(NAME, "image_generation_call", item))


class _AdditionalTools(msgspec.Struct, frozen=True):
    tools: list[JsonObject] = []


def _call(item: CallItem, kind: str, path: str) -> ToolCall:
    call_id = item.call_id or item.id
    if not call_id:
        raise required(f"{path}.call_id")
    if kind == "custom_tool_call":
        return ToolCall(call_id, item.name, item.input or "", "custom", item.namespace)
    arguments = item.arguments or "{}"
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCall(call_id, item.name, arguments, "function", item.namespace)


def _result(item: OutputItem, kind: str, path: str) -> ToolResult:
    parts: tuple[Text | Media, ...]
    if isinstance(item.output, str):
        parts = (Text(item.output),) if item.output else ()
    else:
        parts = decode_parts(item.output or [], f"{path}.output")
    return ToolResult(
        item.call_id, parts, kind="custom" if kind == "custom_tool_call_output" else "function"
    )


def decode_search(item: SearchItem) -> WebSearch:
    """Return the web search in an item."""
    action = item.action
    if action is None:
        return WebSearch(item.id or "")
    queries = tuple(action.queries or ((action.query,) if action.query else ()))
    pages = [source.url for source in action.sources or () if source.url]
    if action.url:
        pages.append(action.url)
    error = "unavailable" if item.status == "failed" else None
    return WebSearch(item.id or "", queries, tuple(map(SearchResult, pages)), error)
