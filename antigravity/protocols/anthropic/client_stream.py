"""Reads the stream of an upstream's answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamDecoder, ITap
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import (
    CitationEvent,
    Event,
    RedactedThinking,
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
from antigravity.protocols.anthropic import schema
from antigravity.protocols.anthropic.errors import classify, read_error
from antigravity.protocols.anthropic.reasons import finish
from antigravity.protocols.anthropic.server_content import NATIVE_FAMILY
from antigravity.protocols.anthropic.usage import UsageField, merge
from antigravity.protocols.anthropic.web_search import read_citation, read_search
from antigravity.sse import ServerSentEvent


class _MessageHead(Struct, frozen=True):
    id: str = ""
    model: str = ""
    usage: UsageField = UsageField()


class _MessageStart(Struct, frozen=True):
    message: _MessageHead


class _Block(Struct, frozen=True):
    """A content block of any type as it begins."""

    type: str
    id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")
    text: str = ""
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    tool_use_id: str = ""
    content: Raw = Raw(b"[]")
    citations: list[dict[str, Any]] | None = None


class _BlockStart(Struct, frozen=True):
    index: int
    content_block: _Block


class _Delta(Struct, frozen=True):
    """A delta of any type."""

    type: str
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str = ""
    citation: dict[str, Any] | None = None


class _BlockDelta(Struct, frozen=True):
    index: int
    delta: _Delta


class _BlockStop(Struct, frozen=True):
    index: int


class _StopDelta(Struct, frozen=True):
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _MessageDelta(Struct, frozen=True):
    delta: _StopDelta = _StopDelta()
    usage: UsageField | None = None


_read_type = msgspec.json.Decoder(schema.Tagged).decode
_read_start = msgspec.json.Decoder(_MessageStart).decode
_read_block = msgspec.json.Decoder(_BlockStart).decode
_read_delta = msgspec.json.Decoder(_BlockDelta).decode
_read_stop = msgspec.json.Decoder(_BlockStop).decode
_read_message_delta = msgspec.json.Decoder(_MessageDelta).decode
_read_results = msgspec.json.Decoder(
    list[schema.WebSearchResultItem] | schema.WebSearchFault
).decode
_read_query = msgspec.json.Decoder(schema.WebSearchInput).decode


def _name(event: ServerSentEvent) -> str:
    """Return the type of an event, also where the ``event:`` line was left out."""
    return event.event or _read_type(event.data).type


class _Open:
    """A block that has begun."""

    __slots__ = ("block", "call", "citations", "pieces", "signature", "start")

    def __init__(self, block: _Block, call: int, start: int) -> None:
        self.block = block
        self.call = call  # the ordinal of a tool call
        self.start = start  # where a text begins in the text of the answer
        self.pieces: list[str] = []
        self.signature = block.signature or ""
        self.citations = list(block.citations or ())


@implementer(IStreamDecoder)
class AnthropicStreamDecoder:
    """The state of one answer."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Open] = {}
        self._queries: dict[str, tuple[str, ...]] = {}
        self._usage = Usage()
        self._calls = 0
        self._characters = 0
        self._stop: _StopDelta | None = None
        self._started = False
        self._ended = False
        self._handlers: dict[str, Callable[[bytes], list[Event]]] = {
            "content_block_delta": self._delta,
            "content_block_start": self._block,
            "content_block_stop": self._block_stop,
            "message_start": self._start,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "error": self._error,
        }

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return what ``event`` means; pings and unknown events mean nothing."""
        if self._ended or event.data == b"[DONE]":
            return ()
        try:
            handler = self._handlers.get(_name(event))
            found = handler(event.data) if handler else []
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return self._fail(UpstreamError(f"The upstream sent a malformed event: {error}"))
        if found and not self._started and not isinstance(found[0], StreamFailure):
            self._started = True
            if not isinstance(found[0], ResponseStart):
                found.insert(0, ResponseStart())
        return found

    def close(self) -> Sequence[Event]:
        """Return what the end of the body means.

        An answer that has said why it stopped is complete, even without ``message_stop``.
        """
        if self._ended:
            return ()
        if self._stop is not None and self._stop.stop_reason is not None:
            return self._message_stop(b"")
        return self._fail(UpstreamError("The upstream broke off before its answer was complete."))

    def _fail(self, error: GatewayError) -> list[Event]:
        self._ended = True
        return [StreamFailure(error)]

    def _error(self, data: bytes) -> list[Event]:
        return self._fail(classify(read_error(data)))

    def _start(self, data: bytes) -> list[Event]:
        head = _read_start(data).message
        self._usage = merge(self._usage, head.usage)
        begin: list[Event] = [] if self._started else [ResponseStart(head.id, head.model)]
        return [*begin, UsageUpdate(self._usage)]

    def _block(self, data: bytes) -> list[Event]:
        wire = _read_block(data)
        block = wire.content_block
        events = self._close_block(wire.index)
        self._blocks[wire.index] = opened = _Open(block, self._calls, self._characters)
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
                found = read_search(name, self._queries.get(name, ()), _read_results(block.content))
                events.append(WebSearchEvent(found))
            case _:
                pass
        return events

    def _delta(self, data: bytes) -> list[Event]:
        wire = _read_delta(data)
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
    def _input(opened: _Open, fragment: str) -> list[Event]:
        opened.pieces.append(fragment)
        if opened.block.type != "tool_use":
            return []
        return [ToolCallDelta(opened.call, fragment)]

    def _block_stop(self, data: bytes) -> list[Event]:
        return self._close_block(_read_stop(data).index)

    def _close_block(self, index: int) -> list[Event]:
        """Return what the end of a block means, nothing if it is not open."""
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
                self._queries[block.id] = queries = _read_query(text).all()
                return [WebSearchEvent(read_search(block.id, queries, []))]
            case _:
                return []

    def _place(self, wire: dict[str, Any], opened: _Open) -> Any:
        """Return a citation with the stretch that it is for: the whole block."""
        return msgspec.structs.replace(
            read_citation(wire), start=opened.start, end=self._characters
        )

    def _message_delta(self, data: bytes) -> list[Event]:
        wire = _read_message_delta(data)
        if wire.delta.stop_reason is not None or self._stop is None:
            self._stop = wire.delta
        if wire.usage is None:
            return []
        self._usage = merge(self._usage, wire.usage)
        return [UsageUpdate(self._usage)]

    def _message_stop(self, _: bytes) -> list[Event]:
        self._ended = True
        events = [event for index in sorted(self._blocks) for event in self._close_block(index)]
        stop = self._stop or _StopDelta()
        called = self._calls > 0
        return [*events, finish(stop.stop_reason, stop.stop_sequence, called=called)]


@implementer(ITap)
class AnthropicTap:
    """Watches a stream that passes through; deltas, the bulk of it, are not decoded."""

    __slots__ = ("failure", "finished", "meaningful", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None

    def watch(self, event: ServerSentEvent) -> None:
        """Look at one event."""
        name = event.event
        if name == "content_block_delta":
            self.meaningful = True
            return
        try:
            self._watch(name or _name(event), event.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return

    def _watch(self, name: str, data: bytes) -> None:
        match name:
            case "content_block_delta":
                self.meaningful = True
            case "content_block_start":
                kind = _read_block(data).content_block.type
                self.meaningful = self.meaningful or kind not in ("text", "thinking")
            case "message_start":
                self.usage = merge(self.usage or Usage(), _read_start(data).message.usage)
            case "message_delta":
                if usage := _read_message_delta(data).usage:
                    self.usage = merge(self.usage or Usage(), usage)
            case "message_stop":
                self.finished = True
            case "error":
                self.failure = classify(read_error(data))
            case _:
                pass
