"""Decodes the streamed response of an upstream."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.errors import GatewayError, UpstreamError, incomplete_response_error
from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    RedactedThinking,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    WebSearchEvent,
)
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.anthropic.client_events import (
    Block,
    StopDelta,
    Whole,
    name_of,
    read_block,
    read_delta,
    read_message_delta,
    read_query,
    read_results,
    read_start,
    read_stop,
    read_whole,
)
from antigravity.protocols.anthropic.errors import decode_error
from antigravity.protocols.anthropic.reasons import finish
from antigravity.protocols.anthropic.server_content import NATIVE_FAMILY
from antigravity.protocols.anthropic.usage import merge
from antigravity.protocols.anthropic.web_search import read_citation, read_search
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.sse import ServerSentEvent


class _OpenBlock:
    """A content block that has begun."""

    __slots__ = ("block", "call", "citations", "pieces", "signature", "start")

    def __init__(self, block: Block, call: int, start: int) -> None:
        self.block = block
        self.call = call  # the ordinal of a tool call
        self.start = start  # the offset of a text in the text of the response
        self.pieces: list[str] = []
        self.signature = block.signature or ""
        self.citations = list(block.citations or ())


@implementer(IStreamDecoder)
class AnthropicStreamDecoder:
    """Decoder of one response."""

    def __init__(self) -> None:
        self._blocks: dict[int, _OpenBlock] = {}
        self._queries: dict[str, tuple[str, ...]] = {}
        self._usage = Usage()
        self._calls = 0
        self._characters = 0
        self._stop: StopDelta | None = None
        self._started = False
        self._ended = False

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the events in ``event``: none for pings and unknown events."""
        if self._ended or event.data == b"[DONE]":
            return ()
        try:
            name = name_of(event)
            handler = _HANDLERS.get(name)
            found = handler(self, event.data) if handler else self._unknown(name, event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            reported = error_in_event(event.event, event.data, decode_error)
            malformed = UpstreamError(f"The upstream sent a malformed event: {error}")
            return self._fail(reported or malformed)
        if found and not self._started and not isinstance(found[0], StreamFailure):
            self._started = True
            if not isinstance(found[0], ResponseStart):
                found.insert(0, ResponseStart())
        return found

    def close(self) -> Sequence[Event]:
        """Return the events at the end of the body.

        A response with a stop reason is complete, even without ``message_stop``.
        """
        if self._ended:
            return ()
        if self._stop is not None and self._stop.stop_reason is not None:
            return self._message_stop(b"")
        return self._fail(incomplete_response_error())

    def _fail(self, error: GatewayError) -> list[Event]:
        self._ended = True
        return [StreamFailure(error)]

    def _unknown(self, name: str, event: ServerSentEvent) -> list[Event]:
        """Return the events in an event of unknown type: an error, a whole message, or nothing."""
        if name == "ping":
            return []
        error = error_in_event(name, event.data, decode_error)
        if error is not None:
            return self._fail(error)
        whole = read_whole(event.data) if not name else Whole()
        return self._blocks_of(whole) if whole.content else []

    def _message(self, data: bytes) -> list[Event]:
        """Return the events of a whole message."""
        error = error_in_event("", data, decode_error)
        return self._blocks_of(read_whole(data)) if error is None else self._fail(error)

    def _blocks_of(self, whole: Whole) -> list[Event]:
        self._usage = merge(self._usage, whole.usage)
        events: list[Event] = [] if self._started else [ResponseStart(whole.id, whole.model)]
        content = whole.content
        blocks = [Block("text", text=content)] if isinstance(content, str) else content
        for index, block in enumerate(blocks):
            events += self._open_block(index, block)
            events += self._close_block(index)
        self._stop = StopDelta(whole.stop_reason, whole.stop_sequence, whole.stop_details)
        return [*events, UsageUpdate(self._usage), *self._message_stop(b"")]

    def _start(self, data: bytes) -> list[Event]:
        head = read_start(data).message
        self._usage = merge(self._usage, head.usage)
        begin: list[Event] = [] if self._started else [ResponseStart(head.id, head.model)]
        return [*begin, UsageUpdate(self._usage)]

    def _block(self, data: bytes) -> list[Event]:
        wire = read_block(data)
        return self._open_block(wire.index, wire.content_block)

    def _open_block(self, index: int, block: Block) -> list[Event]:
        events = self._close_block(index)
        self._blocks[index] = opened = _OpenBlock(block, self._calls, self._characters)
        match block.type:
            case "text" if block.text:
                self._characters += len(block.text)
                events.append(TextDelta(block.text))
            case "thinking" if block.thinking:
                events.append(ThinkingDelta(block.thinking))
            case "redacted_thinking":
                events.append(RedactedThinking(block.data))
            case "tool_use":
                self._calls += 1
                call_id = block.id or f"toolu_{uuid.uuid4().hex[:24]}"
                events.append(ToolCallStart(opened.call, call_id, block.name))
            case "web_search_tool_result":
                name = block.tool_use_id
                results = block.content if bytes(block.content) != b"null" else b"[]"
                found = read_search(name, self._queries.get(name, ()), read_results(results))
                events.append(WebSearchEvent(found))
            case _:
                pass
        return events

    def _delta(self, data: bytes) -> list[Event]:
        wire = read_delta(data)
        delta = wire.delta
        opened = self._blocks.get(wire.index)
        match delta.type:
            case "text_delta":
                self._characters += len(delta.text)
                return [TextDelta(delta.text)] if delta.text else []
            case "thinking_delta":
                return [ThinkingDelta(delta.thinking)] if delta.thinking else []
            case _ if opened is None:
                return []
            case "input_json_delta" if delta.partial_json:
                return self._input(opened, delta.partial_json)
            case "signature_delta":
                opened.signature += delta.signature
            case "citations_delta" if delta.citation:
                opened.citations.append(delta.citation)
            case _:
                pass
        return []

    @staticmethod
    def _input(opened: _OpenBlock, fragment: str) -> list[Event]:
        opened.pieces.append(fragment)
        if opened.block.type != "tool_use":
            return []
        return [ToolCallDelta(opened.call, fragment)]

    def _block_stop(self, data: bytes) -> list[Event]:
        return self._close_block(read_stop(data).index)

    def _close_block(self, index: int) -> list[Event]:
        """Return the events at the end of a block, nothing if it is not open."""
        opened = self._blocks.pop(index, None)
        if opened is None:
            return []
        block = opened.block
        match block.type:
            case "text":
                return [CitationEvent(self._place(wire, opened)) for wire in opened.citations]
            case "thinking" if opened.signature:
                return [ThinkingSignature(Signature(opened.signature, NATIVE_FAMILY))]
            case "tool_use":
                whole = bytes(block.input).decode()
                rest = [] if opened.pieces or whole in ("{}", "null", '""') else [whole]
                return [
                    *(ToolCallDelta(opened.call, text) for text in rest),
                    ToolCallEnd(opened.call),
                ]
            case "server_tool_use" if block.name == "web_search":
                text = "".join(opened.pieces).encode() or bytes(block.input)
                text = b"{}" if text == b"null" else text
                self._queries[block.id] = queries = read_query(text).all()
                return [WebSearchEvent(read_search(block.id, queries, []))]
            case _:
                return []

    def _place(self, wire: dict[str, Any], opened: _OpenBlock) -> Any:
        """Return a citation with its range: the whole block."""
        return msgspec.structs.replace(
            read_citation(wire), start=opened.start, end=self._characters
        )

    def _message_delta(self, data: bytes) -> list[Event]:
        wire = read_message_delta(data)
        if wire.delta.stop_reason is not None or self._stop is None:
            self._stop = wire.delta
        if wire.usage is None:
            return []
        self._usage = merge(self._usage, wire.usage)
        return [UsageUpdate(self._usage)]

    def _message_stop(self, _: bytes) -> list[Event]:
        self._ended = True
        events = [event for index in sorted(self._blocks) for event in self._close_block(index)]
        stop = self._stop or StopDelta()
        end = finish(stop.stop_reason, stop.stop_sequence, called=self._calls > 0)
        if end.reason == "refusal" and stop.explanation:
            events.append(RefusalDelta(stop.explanation))
            # A text of a refusal alone would end as "stop", as if the text before it was complete.
            end = Finish("content_filter", native=end.native)
        return [*events, end]


#: The handler of each type of event; bound methods would make a reference cycle.
_HANDLERS: Final[Mapping[str, Callable[[AnthropicStreamDecoder, bytes], list[Event]]]] = {
    "content_block_delta": AnthropicStreamDecoder._delta,
    "content_block_start": AnthropicStreamDecoder._block,
    "content_block_stop": AnthropicStreamDecoder._block_stop,
    "message_start": AnthropicStreamDecoder._start,
    "message_delta": AnthropicStreamDecoder._message_delta,
    "message_stop": AnthropicStreamDecoder._message_stop,
    "message": AnthropicStreamDecoder._message,
}
