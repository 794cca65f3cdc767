"""Streamed responses."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Finish, TextDelta
from antigravity.protocols.anthropic.errors import error_object
from antigravity.protocols.anthropic.server_blocks import BlockWriter
from antigravity.protocols.anthropic.server_reply import MessageSink, message, message_end
from antigravity.protocols.anthropic.threads import wants_store
from antigravity.protocols.anthropic.tool_input import encode_text
from antigravity.protocols.event_sequencer import ChoiceStart, OrderedEvent
from antigravity.protocols.stream_encoder import StreamEncoder
from antigravity.sse import encode_event

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
#: The beginning of a delta, up to its text.
_DELTA: Final = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
)


class _StreamSink:
    """A sink that writes content blocks as events."""

    def __init__(self) -> None:
        self._index = -1
        self._out: list[bytes] = []
        self._text = self._thinking = b""  # the beginnings of the open block's deltas

    def flush(self) -> bytes:
        """Return what was written since the last flush."""
        written = self._out
        if not written:
            return b""
        self._out = []
        return written[0] if len(written) == 1 else b"".join(written)

    def write(self, name: str, **fields: Any) -> None:
        """Write one event."""
        data = msgspec.json.encode({"type": name, **fields})
        self._out.append(encode_event(name.encode(), data))

    def open(self, block: dict[str, Any]) -> None:
        self._index += 1
        self._text = _DELTA % (self._index, b"text_delta", b"text")
        self._thinking = _DELTA % (self._index, b"thinking_delta", b"thinking")
        self.write("content_block_start", index=self._index, content_block=block)

    def text(self, text: str) -> None:
        self._out.append(self.text_delta(text))

    def text_delta(self, text: str) -> bytes:
        """Return the event that adds text to the open block."""
        return self._text + encode_text(text) + b"}}\n\n"

    def thinking(self, text: str) -> None:
        self._out.append(self._thinking + encode_text(text) + b"}}\n\n")

    def signature(self, signature: str) -> None:
        self._delta(b"signature_delta", b"signature", signature)

    def input_json(self, fragment: str) -> None:
        self._delta(b"input_json_delta", b"partial_json", fragment)

    def citation(self, citation: dict[str, Any]) -> None:
        delta = {"type": "citations_delta", "citation": citation}
        self.write("content_block_delta", index=self._index, delta=delta)

    def close(self) -> None:
        self.write("content_block_stop", index=self._index)

    def _delta(self, kind: bytes, field: bytes, text: str) -> None:
        begin = _DELTA % (self._index, kind, field)
        self._out.append(begin + encode_text(text) + b"}}\n\n")


class _CollectingSink(_StreamSink):
    """A sink that also collects the blocks, for the whole message."""

    def __init__(self) -> None:
        super().__init__()
        self.collected = MessageSink()

    def open(self, block: dict[str, Any]) -> None:
        self.collected.open(dict(block))
        super().open(block)

    def text_delta(self, text: str) -> bytes:
        self.collected.text(text)
        return super().text_delta(text)

    def thinking(self, text: str) -> None:
        self.collected.thinking(text)
        super().thinking(text)

    def signature(self, signature: str) -> None:
        self.collected.signature(signature)
        super().signature(signature)

    def input_json(self, fragment: str) -> None:
        self.collected.input_json(fragment)
        super().input_json(fragment)

    def citation(self, citation: dict[str, Any]) -> None:
        self.collected.citation(citation)
        super().citation(citation)

    def close(self) -> None:
        self.collected.close()
        super().close()


class AnthropicStreamEncoder(StreamEncoder):
    """Encoder of one stream.

    ``message_start`` is written when the choice starts, because the input tokens are often known by
    then; ``message_delta`` at the end, because the output tokens can arrive after the finish.
    """

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, context: ReplyContext, sink: _StreamSink | None = None) -> None:
        super().__init__()
        self._context = context
        self._sink = sink or _StreamSink()
        self._blocks = BlockWriter(self._sink, context)
        self._message: dict[str, Any] = {}

    def write(self, event: OrderedEvent) -> bytes:
        """Return the bytes of one event."""
        if type(event) is TextDelta and event.text and self._blocks.continues_text:
            return self._sink.text_delta(event.text)  # as ``BlockWriter`` would
        if type(event) is ChoiceStart:
            self._message = message(self._context, self.usage)
            self._sink.write("message_start", message=self._message)
        else:
            self._blocks.write(event)
        return self._sink.flush()

    def keepalive(self) -> bytes:
        """Return a ping, or nothing before ``message_start``, where pings are not allowed."""
        if self.sequencer.over or not self.sequencer.started:
            return b""
        return self.write_all(self.sequencer.open()) + PING

    def complete(self) -> bytes:
        """Return ``message_delta`` and ``message_stop``."""
        finish = self.sequencer.finish_of() or Finish("stop")
        end = message_end(finish, self.usage, self._blocks)
        usage = end.pop("usage")
        self._sink.write("message_delta", delta=end, usage=usage)
        self._sink.write("message_stop")
        return self._sink.flush()

    def fail(self, error: GatewayError) -> bytes:
        """Close the open block and return it with an ``error`` event."""
        self._blocks.abandon()
        self._sink.write("error", **error_object(error, self._context.call.request_id))
        return self._sink.flush()


class _ThreadStreamEncoder(AnthropicStreamEncoder):
    """Encoder of a stream that a thread can continue.

    :ivar final_response: the JSON of the whole message, ``None`` before the end and after a
        failure.
    """

    def __init__(self, context: ReplyContext) -> None:
        sink = _CollectingSink()
        super().__init__(context, sink)
        self._collected = sink.collected
        self.final_response: bytes | None = None

    def complete(self) -> bytes:
        """Return ``message_delta`` and ``message_stop``."""
        written = super().complete()
        whole = {**self._message, "content": self._collected.content}
        self.final_response = msgspec.json.encode(whole)
        return written


def stream_encoder(context: ReplyContext) -> AnthropicStreamEncoder:
    """Return the encoder of one stream."""
    if wants_store(context.call):
        return _ThreadStreamEncoder(context)
    return AnthropicStreamEncoder(context)
