"""Watches a native pass-through; it decodes only chunks with usage, ends or errors.

Reasoning is held undecoded until a tool is called: some models refuse the next turn without it,
and many clients drop it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import (
    IBodyRepairingTap,
    IClosingTap,
    IReasoningTap,
    ITextIgnoringTap,
    IUsageHidingTap,
)
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, ThinkingDelta, ToolCallStart
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.protocols.lenient import LenientDecoder
from antigravity.protocols.openai_chat.body_repair import repair_body
from antigravity.protocols.openai_chat.client_stream import ChatStreamDecoder
from antigravity.protocols.openai_chat.client_usage import read_usage
from antigravity.protocols.openai_chat.schema import NAME, Chunk
from antigravity.protocols.openai_chat.usage_chunks import without_usage
from antigravity.protocols.openai_errors import decode_error
from antigravity.sse import DONE, ServerSentEvent, encode_data

_CHUNK: Final[LenientDecoder[Chunk]] = LenientDecoder(Chunk)
_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\{')
#: Keys with a value; inside of strings their quotes are escaped, so text can't match.
_MATTERS: Final = re.compile(rb'"(?:usage"\s*:\s*\{|finish_reason"\s*:\s*"|error"\s*:\s*["{])')
_CONTENT: Final = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|refusal|data|url|name|thinking)"\s*:\s*"[^"]'
)
#: Marks of reasoning, and of the beginning of a call.
_REASONING: Final = re.compile(
    rb'"reasoning(?:_content)?"\s*:\s*"[^"]|"reasoning_details"\s*:\s*\[\s*\{'
)
_CALL: Final = re.compile(rb'"tool_calls"\s*:\s*\[\s*\{')
#: The most reasoning that is held before a call, in bytes.
_MAX_HELD: Final = 4 * 1024 * 1024


@implementer(IReasoningTap, IClosingTap, ITextIgnoringTap, IBodyRepairingTap, IUsageHidingTap)
class ChatTap:
    """Tap on one stream, or on one whole response."""

    def __init__(self) -> None:
        self._called = False
        self._done = False
        self._last = b""  # the last chunk with a choice
        self._counted = False  # the last chunk has usage that ends a stream
        self._counts = 0  # chunks with usage
        self._is_usage = False  # the last event only reports usage
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._on_event: Callable[[Event], None] | None = None
        self._held: list[ServerSentEvent] = []
        self._size = 0

    def collect(
        self, on_event: Callable[[Event], None], family: str, *, unsigned: bool = False
    ) -> None:
        """Call ``on_event`` with tool calls, and the reasoning before them, from now on.

        Reasoning has no signatures in this protocol, so ``unsigned`` must be set.
        """
        self._on_event = on_event if unsigned else None

    repair_body = staticmethod(repair_body)

    def without_usage(self, event: ServerSentEvent) -> ServerSentEvent | None:
        """Return the event, or what is left of a chunk that only reports usage."""
        if not self._is_usage:
            return event
        data = without_usage(event.data, self._last)
        return None if data is None else ServerSentEvent(event.event, data)

    def watch_body(self, body: bytes) -> None:
        """Observe a whole response."""
        if self._on_event is not None and _REASONING.search(body) and _CALL.search(body):
            self._held = [ServerSentEvent("", body)]
            self._report_calls()

    def watch_deltas(self, name: str, payloads: Sequence[bytes], events: bytes) -> bool:
        """Observe chunks with content only; else return false."""
        if not self.meaningful or name == "error" or events.find(b'"tool_calls"') >= 0:
            return False
        if self._on_event is not None and events.find(b'"reasoning') >= 0:
            return False
        if _MATTERS.search(events):
            return False
        for each in payloads:
            if each.find(b'"choices":[{') < 0 and each.find(b'"choices": [{') < 0:
                return False
        self._last = payloads[-1]
        self._counted = False
        return True

    def ignores_text(self) -> bool:
        """Return whether further texts leave the tap as it is."""
        return True

    def watch(self, event: ServerSentEvent) -> None:
        """Observe one event."""
        data = event.data
        self._is_usage = False
        if self._on_event is not None:
            self._hold_reasoning(event)
        if not self.meaningful and _CONTENT.search(data):
            self.meaningful = True
        if data.startswith(b"[DONE]"):
            # Some servers send no finish reason; a response without content is incomplete though.
            self._done = True
            self.finished = self.failure is None and (self.finished or self.meaningful)
            return
        if b'"choices":[{' in data or _CHOICES.search(data):
            self._last = data
            self._counted = False
            if not self._called and b'"tool_calls"' in data:
                self._called = _CALL.search(data) is not None
            if event.event != "error" and not _MATTERS.search(data):
                return
        self._decode(event)

    def close(self) -> bytes | None:
        """Return what is missing at the end of a complete stream, ``None`` if it is incomplete."""
        if self.finished:
            return b"" if self._done else DONE
        if not (self._counted and self.meaningful):
            return None
        self.finished = True
        try:
            last = msgspec.json.decode(self._last, type=_Head)
        except (ValueError, RecursionError):
            return None
        choice: dict[str, object] = {"index": 0, "finish_reason": "stop"}
        if last.object == "text_completion":
            choice |= {"text": "", "logprobs": None}
        else:
            choice |= {"delta": {}, "finish_reason": "tool_calls" if self._called else "stop"}
        fields = {**msgspec.structs.asdict(last), "choices": [choice]}
        return encode_data(msgspec.json.encode(fields)) + DONE

    def _hold_reasoning(self, event: ServerSentEvent) -> None:
        """Hold reasoning, and report it with the call that follows."""
        thinks = _REASONING.search(event.data) is not None
        called = bool(thinks or self._held) and _CALL.search(event.data) is not None
        if not thinks and not called:
            return
        self._held.append(event)
        self._size += len(event.data)
        if self._size > _MAX_HELD:
            self._on_event = None
            self._held = []
        elif called:
            self._report_calls()

    def _report_calls(self) -> None:
        """Decode what is held, and report it if a call has begun in it."""
        assert self._on_event is not None
        decoder = ChatStreamDecoder(Request("", (), NAME))
        events = [found for event in self._held for found in decoder.decode(event)]
        if not any(isinstance(event, ToolCallStart) for event in events):
            return
        for event in events:
            if isinstance(event, ThinkingDelta | ToolCallStart):
                self._on_event(event)
        self._held = []
        self._size = 0

    def _decode(self, event: ServerSentEvent) -> None:
        try:
            chunk = _CHUNK.decode(event.data)
        except (ValueError, RecursionError):
            self.failure = self.failure or error_in_event(event.event, event.data, decode_error)
            return  # the client gets the malformed chunk
        if chunk.error or event.event == "error" or not chunk.choices:
            error = error_in_event(event.event, event.data, decode_error)
            if error is not None:
                self.failure = error
                self.finished = False
                return
        reasons = [choice.finish_reason for choice in chunk.choices or () if choice.finish_reason]
        if reasons:
            self.finished = True
            # Any reason but ``stop`` is meaningful without content too.
            self.meaningful = self.meaningful or reasons != ["stop"]
        usage = read_usage(chunk.usage)
        if usage is not None:
            self.usage = usage
            self._counts += 1
            self._is_usage = not chunk.choices
            self._counted = not chunk.choices or self._counts == 1


class _Head(msgspec.Struct):
    """Members that all chunks of a response share."""

    id: Any = None
    object: Any = "chat.completion.chunk"
    created: Any = None
    model: Any = None
