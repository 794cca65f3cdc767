"""Encodes the messages of a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from antigravity.ir.capabilities import Target
from antigravity.ir.parts import (
    Media,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import Signature
from antigravity.ir.thinking import LOST_REASONING
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_chat.client_content import ContentWriter
from antigravity.protocols.openai_chat.schema import NAME
from antigravity.protocols.tool_arguments import object_text, wrap_broken

#: The assistant turn between tool results and a user message.
_AFTER_TOOL: Final = "Done."
#: The member of the last message that makes a server continue it, by quirk.
_PREFILL_MARKS: Final = {"prefill_prefix": "prefix", "prefill_partial": "partial"}
_MOVED: Final = "[The tool returned media; see the next user message.]"


class _Turn:
    """Message of the body with what must follow it directly: the results of its calls."""

    __slots__ = ("media", "message", "results")

    def __init__(self, message: dict[str, Any] | None) -> None:
        self.message = message
        self.results: list[dict[str, Any]] = []
        self.media: list[dict[str, Any]] = []

    def wire(self) -> list[dict[str, Any]]:
        messages = [] if self.message is None else [self.message]
        messages += self.results
        if self.media:
            messages.append({"role": "user", "content": self.media})
        return messages


class _Ending:
    """Rules of a target for messages after tool results, and for the last message."""

    def __init__(self, target: Target, losses: Losses) -> None:
        self._losses = losses
        self._user_after_tool = target.accepts("user_after_tool", usual=True)
        self._prefill = target.capabilities.prefill and target.accepts("prefill", usual=True)
        self._mark = next((mark for mark in _PREFILL_MARKS if target.accepts(mark)), None)

    def apply(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages with an order and an end that the target accepts."""
        if not self._user_after_tool:
            messages = list(_separate_tool_results(messages))
        if len(messages) < 2 or messages[-1]["role"] != "assistant":
            return messages
        last = messages[-1]
        if "tool_calls" in last or "audio" in last:
            return messages
        if not self._prefill:
            detail = "the assistant prefill was dropped: the model does not accept one"
            self._losses.add("messages", detail, content=True)
            return messages[:-1]
        if self._mark is not None:
            return [*messages[:-1], {**last, _PREFILL_MARKS[self._mark]: True}]
        return messages


def _separate_tool_results(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield messages with an assistant turn between tool results and a user message."""
    before = ""
    for message in messages:
        if before == "tool" and message["role"] == "user":
            yield {"role": "assistant", "content": _AFTER_TOOL}
        yield message
        before = message["role"]


class MessageWriter:
    """Encoder of the messages of one request for one target."""

    def __init__(self, target: Target, losses: Losses) -> None:
        self._content = ContentWriter(target, losses)
        self._losses = losses
        self._system = "developer" if target.accepts("developer_role") else "system"
        self._names = target.accepts("message_name", usual=True)
        self._sends_thinking = target.wants_reasoning
        self._needs_thinking = target.reasoning_history == "required"
        self._any_arguments = target.accepts(
            "any_arguments", target.capabilities.family == "openai"
        )
        self._ending = _Ending(target, losses)
        self._gemini = target.capabilities.family == "gemini"
        self._turns: list[_Turn] = []
        self._calls: dict[str, _Turn] = {}  # the turn that each call id was last seen in

    def messages(self, request: Request) -> list[dict[str, Any]]:
        """Return all messages, the leading instructions first."""
        if request.thinking.mode == "off":
            self._needs_thinking = False
        if request.system:
            self._add(self._system, list(request.system), None)
        for message in request.messages:
            if message.role == "assistant":
                self._assistant(message)
            else:
                self._other(message)
        return self._ending.apply([wire for turn in self._turns for wire in turn.wire()])

    def _add(self, role: str, parts: list[Text | Media], name: str | None) -> None:
        message: dict[str, Any] = {"role": role, "content": self._content.content(parts)}
        if name is not None and self._names:
            message["name"] = name
        self._turns.append(_Turn(message))

    def _other(self, message: Message) -> None:
        parts: list[Text | Media] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._result(part)
            elif isinstance(part, Text | Media):
                parts.append(part)
            else:
                self._drop(part)
        if parts:
            role = self._system if message.role == "system" else "user"
            self._add(role, parts, message.name)

    def _result(self, result: ToolResult) -> None:
        """Put a result after the message with its call, or here if there is none."""
        turn = self._calls.get(result.call_id)
        if turn is None:
            turn = self._calls[result.call_id] = _Turn(None)
            self._turns.append(turn)
        texts: list[Text | Media] = [part for part in result.parts if isinstance(part, Text)]
        media = [part for part in result.parts if isinstance(part, Media)]
        if media:
            self._losses.add("messages.tool_result.media", "moved to a user message after it")
            texts.append(Text(_MOVED))
            note = f"[Media that the tool returned for the call {result.call_id}:]"
            turn.media.append({"type": "text", "text": note})
            turn.media += [self._content.part(part) for part in media]
        if result.is_error:
            self._losses.add("messages.tool_result.is_error", "sent as a plain result")
        wire: dict[str, Any] = {"role": "tool", "tool_call_id": result.call_id}
        if result.cache is not None and texts:
            pieces = [self._content.part(part) for part in texts]
            pieces[-1] = self._content.cached(pieces[-1], result.cache)
            wire["content"] = pieces
        else:
            wire["content"] = self._content.content(texts)
        if result.name is not None and self._names:
            wire["name"] = result.name
        turn.results.append(wire)

    def _assistant(self, message: Message) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[dict[str, Any]] = []
        wire: dict[str, Any] = {"role": "assistant", "content": None}
        before: Part | None = None
        for part in message.parts:
            match part:
                case Text():
                    # Texts with something between them were separate paragraphs.
                    apart = bool(texts) and not isinstance(before, Text)
                    texts.append(f"\n\n{part.text}" if apart else part.text)
                    self._content.part(part)
                case ToolCall():
                    calls.append(self._call(part))
                case Thinking() if self._sends_thinking and part.text:
                    thoughts.append(part.text)
                case Opaque(protocol=protocol, kind="audio", wire=audio) if protocol == NAME:
                    wire["audio"] = audio
                case Media():
                    self._drop(part)
                    texts.append(f"[{part.kind} left out: it cannot be sent back]")
                case _:
                    self._drop(part)
            before = part
        text = "".join(texts)
        if not (text or calls or "audio" in wire):
            # Many upstreams refuse a message without content, even if it has reasoning.
            return
        if text:
            wire["content"] = text
        if message.name is not None and self._names:
            wire["name"] = message.name
        if calls and not thoughts and self._needs_thinking:
            self._losses.add("messages.thinking", "lost reasoning was replaced by a placeholder")
            thoughts.append(LOST_REASONING)
        if thoughts:
            wire["reasoning_content"] = "".join(thoughts)
        if calls:
            wire["tool_calls"] = calls
        turn = _Turn(wire)
        self._turns.append(turn)
        for call in calls:
            self._calls[call["id"]] = turn

    def _call(self, call: ToolCall) -> dict[str, Any]:
        if call.namespace is not None:
            self._losses.add(
                "messages.tool_call.namespace", "dropped: this protocol has no namespaces"
            )
        if call.cache is not None:
            self._losses.add("cache", "dropped: tool calls cannot have a cache breakpoint")
        text, arguments = "input", call.arguments
        if call.kind == "function":
            text, arguments = "arguments", self._arguments(arguments)
        wire: dict[str, Any] = {
            "id": call.id,
            "type": call.kind,
            call.kind: {"name": call.name, text: arguments},
        }
        match call.signature:
            case Signature(value=value, family="gemini") if self._gemini:
                wire["extra_content"] = {"google": {"thought_signature": value}}
            case Signature():
                self._content.drop_signature()
        return wire

    def _arguments(self, arguments: str) -> str:
        """Return arguments of a function as a JSON object, because many servers parse them."""
        found = object_text(arguments)
        if found is not None or self._any_arguments:
            return found or arguments
        detail = 'arguments that are not a JSON object were wrapped as {"raw": ...}'
        self._losses.add("messages.tool_call.arguments", detail)
        return wrap_broken(arguments)

    def _drop(self, part: Part) -> None:
        """Report that a part has no place in this protocol."""
        content = not isinstance(part, Thinking)
        match part:
            case Thinking():
                field, detail = "messages.thinking", "dropped: the target accepts no reasoning"
            case WebSearch():
                field, detail = "messages.web_search", "dropped: this protocol has no such part"
            case Opaque(protocol=protocol, kind=kind):
                field, detail = f"messages.{kind}", f"dropped: only {protocol} has it"
            case _:
                field, detail = "messages.media", "dropped: this role cannot have such a part"
        self._losses.add(field, detail, content=content)
