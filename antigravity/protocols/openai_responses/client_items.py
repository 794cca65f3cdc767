"""Encodes messages as input items."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from antigravity.ir.media import InlineData
from antigravity.ir.parts import (
    Media,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_responses.client_content import (
    input_part,
    output_text,
    tool_output,
)
from antigravity.protocols.openai_responses.encrypted import FAMILY
from antigravity.protocols.openai_responses.schema import NAME, JsonObject
from antigravity.protocols.tool_arguments import object_text

#: The longest identifier that OpenAI accepts.
ID_MAX: Final = 64


def short_id(call_id: str) -> str:
    """Return a call's id, shortened in a stable way if it is too long for the protocol."""
    if len(call_id) <= ID_MAX:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:40]}"


class ItemWriter:
    """Encoder of the input items of one request; it reports losses.

    :ivar items: the items so far.
    """

    def __init__(self, losses: Losses) -> None:
        self.items: list[JsonObject] = []
        self._losses = losses
        self._content: list[JsonObject] = []  # of the open message
        self._role = ""
        self._phase: str | None = None

    def add(self, messages: Sequence[Message]) -> None:
        """Encode messages."""
        for message in messages:
            if message.role == "assistant":
                self._assistant(message)
            else:
                self._drop_lone_reasoning()
                self._user(message, "developer" if message.role == "system" else "user")
            self._flush()
        self._drop_lone_reasoning()

    def _drop_lone_reasoning(self) -> None:
        """Drop reasoning at the end of a turn, which is refused without an item after it."""
        while self.items and self.items[-1]["type"] == "reasoning":
            self.items.pop()
            self._losses.add("messages.thinking", "dropped: no output follows it in its turn")

    def _add_part(self, role: str, part: JsonObject, phase: str | None = None) -> None:
        if self._role != role or self._phase != phase:
            self._flush()
        self._role, self._phase = role, phase
        self._content.append(part)

    def _flush(self) -> None:
        if self._content:
            item = {"type": "message", "role": self._role, "content": self._content}
            if self._phase is not None:
                item["phase"] = self._phase
            self.items.append(item)
        self._role, self._phase, self._content = "", None, []

    def _item(self, item: JsonObject) -> None:
        self._flush()
        self.items.append(item)

    def _user(self, message: Message, role: str) -> None:
        for part in message.parts:
            match part:
                case Text() | Media():
                    self._add_part(role, input_part(part))
                case ToolResult():
                    self._result(part)
                case Opaque():
                    self._opaque(part)
                case _:
                    self._drop(part)

    def _assistant(self, message: Message) -> None:
        written = 0
        for part in message.parts:
            match part:
                case Text():
                    if part.text:
                        self._add_part("assistant", output_text(part, written), part.phase)
                    written += len(part.text)
                    if part.signature is not None:
                        self._losses.add("messages.text.signature", "dropped: it is not OpenAI's")
                case Thinking():
                    self._thinking(part)
                case ToolCall():
                    self._call(part)
                case WebSearch():
                    self._search(part)
                case Media():
                    self._media(part)
                case Opaque():
                    self._opaque(part)
                case ToolResult():
                    self._result(part)

    def _drop(self, part: object) -> None:
        field = f"messages.{type(part).__name__.lower()}"
        self._losses.add(field, "dropped: this protocol has no such part", content=True)

    def _opaque(self, part: Opaque) -> None:
        if part.protocol == NAME:
            self._item(part.wire)
        else:
            detail = f"dropped: only {part.protocol} has it"
            self._losses.add(f"messages.{part.kind}", detail, content=True)

    def _thinking(self, part: Thinking) -> None:
        signature = part.signature
        if signature is None or signature.family != FAMILY:
            self._losses.add("messages.thinking", "dropped: it has no signature of OpenAI")
            return
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        encrypted = part.redacted or signature.value
        self._item({"type": "reasoning", "summary": summary, "encrypted_content": encrypted})

    def _call(self, part: ToolCall) -> None:
        if part.signature is not None:
            self._losses.add("messages.tool_call.signature", "dropped: it is not OpenAI's")
        custom = part.kind == "custom"
        arguments = part.arguments if custom else object_text(part.arguments) or part.arguments
        item: JsonObject = {
            "type": "custom_tool_call" if custom else "function_call",
            "call_id": short_id(part.id),
            "name": part.name,
            "input" if custom else "arguments": arguments,
        }
        if part.namespace is not None:
            item["namespace"] = part.namespace
        self._item(item)

    def _result(self, part: ToolResult) -> None:
        if part.is_error:
            self._losses.add(
                "messages.tool_result.is_error", "dropped: this protocol has no such field"
            )
        custom = part.kind == "custom"
        self._item(
            {
                "type": "custom_tool_call_output" if custom else "function_call_output",
                "call_id": short_id(part.call_id),
                "output": tool_output(part.parts),
            }
        )

    def _search(self, part: WebSearch) -> None:
        action: JsonObject = {"type": "search", "query": next(iter(part.queries), "")}
        if len(part.queries) > 1:
            action["queries"] = list(part.queries)
        if part.results:
            action["sources"] = [{"type": "url", "url": page.url} for page in part.results]
        status = "completed" if part.error is None else "failed"
        item: JsonObject = {"type": "web_search_call", "status": status, "action": action}
        if part.id.startswith("ws_") and len(part.id) <= ID_MAX:
            item["id"] = part.id  # optional, but other ids are refused
        self._item(item)

    def _media(self, part: Media) -> None:
        if part.kind != "image" or not isinstance(part.source, InlineData):
            self._drop(part)
            note = f"[{part.kind} left out: it cannot be sent back]"
            self._add_part("assistant", {"type": "output_text", "text": note})
            return
        digest = hashlib.sha256(part.source.data.encode()).hexdigest()[:40]
        if part.signature is not None:
            self._losses.add("messages.media.signature", "dropped: it is not OpenAI's")
        self._item(
            {
                "type": "image_generation_call",
                "id": f"ig_{digest}",
                "status": "completed",
                "result": part.source.data,
                "output_format": part.mime_type.partition("/")[2] or "png",
            }
        )
