"""Watches a native pass-through without decoding its deltas.

Deltas of thinking are held undecoded until a tool is called, because the next turn can need the
thinking before a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.protocols import (
    IBodyRepairingTap,
    IClosingTap,
    IReasoningTap,
    IRepairingTap,
    IResponseIdTap,
    ITextIgnoringTap,
)
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import (
    Event,
    RedactedThinking,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallStart,
)
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.anthropic.client_events import (
    Block,
    name_of,
    read_block,
    read_delta,
    read_message_delta,
    read_start,
    read_whole,
)
from antigravity.protocols.anthropic.errors import decode_error
from antigravity.protocols.anthropic.event_repair import repair_body, repair_event
from antigravity.protocols.anthropic.server_content import NATIVE_FAMILY
from antigravity.protocols.anthropic.usage import merge
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.protocols.lenient import LenientDecoder
from antigravity.sse import ServerSentEvent, encode_event

#: The most thinking that is held before a call, in bytes.
_MAX_HELD: Final = 4 * 1024 * 1024
#: What each held delta counts besides its data, in bytes.
_OVERHEAD: Final = 256


class _Content(Struct, frozen=True):
    """The content of a whole message."""

    content: list[Block] = []


_read_content = LenientDecoder[_Content](_Content).decode


class _Thought:
    """A block of thinking, its deltas undecoded."""

    __slots__ = ("block", "deltas")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.deltas: list[bytes] = []

    def events(self, *, unsigned: bool) -> Iterable[Event]:
        """Yield the events of the block; none if it is unsigned, unless ``unsigned`` is set."""
        if self.block.type == "redacted_thinking":
            yield RedactedThinking(self.block.data)
            return
        deltas = [read_delta(data).delta for data in self.deltas]
        signature = (self.block.signature or "") + "".join(each.signature for each in deltas)
        if signature or unsigned:
            yield ThinkingDelta(self.block.thinking + "".join(each.thinking for each in deltas))
        if signature:
            yield ThinkingSignature(Signature(signature, NATIVE_FAMILY))


@implementer(
    IReasoningTap,
    IResponseIdTap,
    IClosingTap,
    ITextIgnoringTap,
    IRepairingTap,
    IBodyRepairingTap,
)
class AnthropicTap:
    """Tap on one stream, or on one whole response.

    :ivar finished: whether a stop reason or the end of the message was seen.
    :ivar meaningful: whether content was seen.
    :ivar failure: the first error that was seen, if any.
    """

    __slots__ = (
        "_held",
        "_on_event",
        "_on_response_id",
        "_open",
        "_stopped",
        "_thoughts",
        "_unsigned",
        "failure",
        "finished",
        "meaningful",
        "usage",
    )

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._on_event: Callable[[Event], None] | None = None
        self._on_response_id: Callable[[str], None] | None = None
        self._unsigned = False
        self._thoughts: list[_Thought] = []
        self._open: list[bytes] | None = None
        self._held = 0
        self._stopped = False

    def collect(
        self, on_event: Callable[[Event], None], family: str, *, unsigned: bool = False
    ) -> None:
        """Call ``on_event`` with tool calls, and the thinking before them, from now on."""
        self._on_event = on_event
        self._unsigned = unsigned

    def on_response_id(self, callback: Callable[[str], None]) -> None:
        """Call ``callback`` with the id as soon as it is known."""
        self._on_response_id = callback

    def watch_deltas(self, name: str, payloads: Sequence[bytes], events: bytes) -> bool:
        """Observe deltas of a block; return false for other events."""
        if name != "content_block_delta":
            return False
        for each in payloads:
            if each.find(b'"delta"') < 0:
                return False
        self.meaningful = True
        if self._open is not None:
            for each in payloads:
                self._hold(each)
        return True

    def ignores_text(self) -> bool:
        """Return whether further texts leave the tap as it is."""
        return self._open is None

    def watch(self, event: ServerSentEvent) -> None:
        """Observe one event."""
        name = event.event
        if name == "content_block_delta":
            self.meaningful = True
            if self._open is not None:
                self._hold(event.data)
            return
        try:
            self._watch(name_of(event), event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.failure = self.failure or error_in_event(name, event.data, decode_error)

    repair = staticmethod(repair_event)
    repair_body = staticmethod(repair_body)

    def watch_body(self, body: bytes) -> None:
        """Observe a whole message."""
        if self._on_response_id is not None:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                self._report_id(read_whole(body).id)
        if self._on_event is None or b'"tool_use"' not in body:
            return
        if b'"thinking"' not in body and b'"redacted_thinking"' not in body:
            return
        try:
            blocks = _read_content(body).content
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        for block in blocks:
            self._begin(block)

    def close(self) -> bytes | None:
        """Return ``message_stop`` if it is all that is missing, ``None`` if more is."""
        if not self.finished:
            return None
        return b"" if self._stopped else encode_event(b"message_stop", b'{"type":"message_stop"}')

    def _watch(self, name: str, data: bytes) -> None:
        match name:
            case "content_block_delta":
                self.meaningful = True
                if self._open is not None:
                    self._hold(data)
            case "content_block_start":
                block = read_block(data).content_block
                self.meaningful = self.meaningful or block.type not in ("text", "thinking")
                self._begin(block)
            case "message_start":
                head = read_start(data).message
                self.usage = merge(self.usage or Usage(), head.usage)
                self._report_id(head.id)
            case "message_delta":
                wire = read_message_delta(data)
                if wire.usage is not None:
                    self.usage = merge(self.usage or Usage(), wire.usage)
                reason = wire.delta.stop_reason
                if reason is not None:
                    self.finished = True
                    # Any reason but ``end_turn`` is meaningful without content too.
                    self.meaningful = self.meaningful or reason != "end_turn"
            case "message_stop":
                self.finished = self._stopped = True
            case "content_block_stop" | "ping":
                pass
            case _:
                self.failure = self.failure or error_in_event(name, data, decode_error)

    def _report_id(self, response_id: str) -> None:
        callback, self._on_response_id = self._on_response_id, None
        if callback is not None and response_id:
            callback(response_id)

    def _begin(self, block: Block) -> None:
        """Start to hold thinking, or report what is held if ``block`` is a tool call."""
        self._open = None
        if self._on_event is None:
            return
        if block.type in ("thinking", "redacted_thinking"):
            thought = _Thought(block)
            self._thoughts.append(thought)
            self._open = thought.deltas
            self._count(len(block.data))
        elif block.type == "tool_use" and self._thoughts:
            thoughts, self._thoughts, self._held = self._thoughts, [], 0
            for thought in thoughts:
                for event in thought.events(unsigned=self._unsigned):
                    self._on_event(event)
            if block.id:
                self._on_event(ToolCallStart(0, block.id, block.name))

    def _hold(self, data: bytes) -> None:
        self._count(len(data))
        if self._open is not None:
            self._open.append(data)

    def _count(self, size: int) -> None:
        """Count the bytes that are held; drop all of them if there are too many."""
        self._held += size + _OVERHEAD
        if self._held > _MAX_HELD:
            self._on_event = self._open = None
            self._thoughts.clear()
