"""Writes the stream of one reply."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import Event, Finish, ResponseStart, StreamFailure, UsageUpdate
from antigravity.ir.usage import Usage
from antigravity.protocols.anthropic.errors import error_object
from antigravity.protocols.anthropic.reasons import stop_reason
from antigravity.protocols.anthropic.server_blocks import BlockMachine
from antigravity.protocols.anthropic.server_reply import message, stop_details
from antigravity.protocols.anthropic.tool_input import encode_text
from antigravity.protocols.anthropic.usage import wire_usage
from antigravity.sse import encode_event

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
_DELTA: Final = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)


class _SseSink:
    """Writes content blocks as events."""

    def __init__(self) -> None:
        self._index = -1
        self._out: list[bytes] = []

    def take(self) -> bytes:
        """Return what was written since the last time."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def write(self, name: str, **fields: Any) -> None:
        """Write one event."""
        data = msgspec.json.encode({"type": name, **fields})
        self._out.append(encode_event(name.encode(), data))

    def open(self, block: dict[str, Any]) -> None:
        self._index += 1
        self.write("content_block_start", index=self._index, content_block=block)

    def text(self, text: str) -> None:
        self._delta(b"text_delta", b"text", text)

    def thinking(self, text: str) -> None:
        self._delta(b"thinking_delta", b"thinking", text)

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
        self._out.append(_DELTA % (self._index, kind, field, encode_text(text)))


@implementer(IStreamEncoder)
class AnthropicStreamEncoder:
    """The state of one stream: not begun, begun, ended.

    ``message_start`` waits for the first event that says something, for the counts of the
    input are often known by then; ``message_delta`` waits for the end, for the counts of the
    output may come after the finish.
    """

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._sink = _SseSink()
        self._blocks = BlockMachine(self._sink, context)
        self._usage = Usage()
        self._finish: Finish | None = None
        self._announced = False
        self._started = False
        self._ended = False

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream, often none."""
        if self._ended:
            return b""
        match event:
            case UsageUpdate():
                self._usage = event.usage
            case ResponseStart():
                self._announced = True
            case StreamFailure():
                return self._fail(event.error)
            case _ if event.choice != 0 or self._finish is not None:
                pass
            case Finish():
                self._start()
                self._finish = event
                self._blocks.finish(event)
            case _:
                self._start()
                self._blocks.feed(event)
        return self._sink.take()

    def keepalive(self) -> bytes:
        """Return a ping, which may not come before ``message_start``."""
        if self._ended or not (self._started or self._announced):
            return b""
        self._start()
        return self._sink.take() + PING

    def end(self) -> bytes:
        """Return the terminal events."""
        if self._ended:
            return b""
        finish = self._finish
        if finish is None:
            return self._fail(UpstreamError("The answer ended before it was complete."))
        self._ended = True
        called = self._blocks.calls > 0
        reason = stop_reason(finish, called=called)
        delta = {"stop_reason": reason, "stop_sequence": finish.stop_sequence}
        self._sink.write(
            "message_delta",
            delta=delta | stop_details(reason),
            usage=wire_usage(self._usage, self._blocks.searches),
        )
        self._sink.write("message_stop")
        return self._sink.take()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            usage = wire_usage(self._usage)
            self._sink.write("message_start", message=message(self._context, usage))

    def _fail(self, error: GatewayError) -> bytes:
        self._ended = True
        self._blocks.abandon()
        self._sink.write("error", **error_object(error, self._context.call.request_id))
        return self._sink.take()
