"""Watches a stream that is passed through: decodes only what can matter.

Reasoning is held undecoded, and decoded only when a tool is called: models that want it back
refuse the next turn without it, and many clients drop it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import ICollectingTap
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, ThinkingDelta, ToolCallStart
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.client_stream import ChatStreamDecoder
from antigravity.protocols.openai_chat.client_usage import read_usage
from antigravity.protocols.openai_chat.schema import NAME, Chunk
from antigravity.protocols.openai_errors import error_from_stream
from antigravity.sse import ServerSentEvent

_CHUNK: Final = msgspec.json.Decoder(Chunk)
#: Keys with a value; inside of strings their quotes are escaped, so text can't match.
_MATTERS: Final = re.compile(rb'"(?:usage"\s*:\s*\{|finish_reason"\s*:\s*"|error"\s*:\s*["{])')
_CONTENT: Final = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|refusal|data|url|name|thinking)"\s*:\s*"[^"]'
)
#: What holds reasoning, and what begins a call.
_REASONING: Final = re.compile(
    rb'"reasoning(?:_content)?"\s*:\s*"[^"]|"reasoning_details"\s*:\s*\[\s*\{'
)
_CALL: Final = re.compile(rb'"tool_calls"\s*:\s*\[\s*\{')
#: Bytes of reasoning that are held; nobody thinks more before a call.
_MOST: Final = 4 * 1024 * 1024


@implementer(ICollectingTap)
class ChatTap:
    """Watches one stream, or one whole answer."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._tell: Callable[[Event], None] | None = None
        self._held: list[ServerSentEvent] = []
        self._size = 0

    def collect(
        self, tell: Callable[[Event], None], family: str, *, unsigned: bool = False
    ) -> None:
        """Tell of tool calls, and of the reasoning before them, from now on.

        Reasoning has no signatures here: without ``unsigned`` there is nothing to tell.
        """
        self._tell = tell if unsigned else None

    def whole(self, body: bytes) -> None:
        """Look at a whole answer."""
        if self._tell is not None and _REASONING.search(body) and _CALL.search(body):
            self._held = [ServerSentEvent("", body)]
            self._tell_of_calls()

    def watch(self, event: ServerSentEvent) -> None:
        """Look at one event."""
        data = event.data
        if self._tell is not None:
            self._think(event)
        if not self.meaningful and _CONTENT.search(data):
            self.meaningful = True
        if data.startswith(b"[DONE]"):
            # Some servers give no reason; but nothing at all is no answer.
            self.finished = self.failure is None and (self.finished or self.meaningful)
        elif event.event == "error" or _MATTERS.search(data):
            self._decode(event)

    def _think(self, event: ServerSentEvent) -> None:
        """Hold reasoning, and tell of it with the call that it led to."""
        thinks = _REASONING.search(event.data) is not None
        called = bool(thinks or self._held) and _CALL.search(event.data) is not None
        if not thinks and not called:
            return
        self._held.append(event)
        self._size += len(event.data)
        if self._size > _MOST:
            self._tell = None
            self._held = []
        elif called:
            self._tell_of_calls()

    def _tell_of_calls(self) -> None:
        """Decode what is held, and tell of the first call in it, if it has begun."""
        assert self._tell is not None
        decoder = ChatStreamDecoder(Request("", (), NAME))
        events = [found for event in self._held for found in decoder.decode(event)]
        if not any(isinstance(event, ToolCallStart) for event in events):
            return
        for event in events:
            if isinstance(event, ThinkingDelta | ToolCallStart):
                self._tell(event)
        self._held = []
        self._size = 0

    def _decode(self, event: ServerSentEvent) -> None:
        try:
            chunk = _CHUNK.decode(event.data)
        except (ValueError, RecursionError):
            return  # the client will see for itself
        if chunk.error or event.event == "error":
            self.failure = error_from_stream(event.data)
            self.finished = False
            return
        if any(choice.finish_reason for choice in chunk.choices or ()):
            self.finished = True
        usage = read_usage(chunk.usage)
        if usage is not None:
            self.usage = usage
