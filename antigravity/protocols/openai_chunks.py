"""Chunks and whole completions, for chat and legacy completions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import FinishReason
from antigravity.ir.usage import Usage
from antigravity.protocols.event_sequencer import EventOrder, OrderedEvent
from antigravity.protocols.openai_shapes import completion_usage, error_object
from antigravity.protocols.replies import json_reply
from antigravity.protocols.stream_encoder import StreamEncoder
from antigravity.sse import DONE, encode_data

FINISH_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "stop_sequence": "stop",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "length",  # the turn continues; the protocols have no such reason
}

encode_json = msgspec.json.encode


class ChunkEncoder(StreamEncoder):
    """Encodes a stream of chunks, with the usage, if requested, and ``[DONE]`` at the end.

    :ivar head: the beginning of each chunk, up to its choices.
    :ivar tail: the end of each chunk, after its choices.
    """

    def __init__(self, context: ReplyContext, order: EventOrder, prefix: str, kind: str) -> None:
        super().__init__(order)
        self._include_usage = context.request.include_usage
        head = _head(context, prefix, kind)
        self.head = b"data: " + encode_json(head)[:-1]
        self.tail = (b',"usage":null}' if self._include_usage else b"}") + b"\n\n"

    @abstractmethod
    def write(self, event: OrderedEvent) -> bytes:
        """Return the bytes of one event."""

    def chunk(self, choice: dict[str, Any]) -> bytes:
        """Return a chunk with one choice."""
        return b'%b,"choices":[%b]%b' % (self.head, encode_json(choice), self.tail)

    def complete(self) -> bytes:
        """Return the usage and ``[DONE]``."""
        if not self._include_usage:
            return DONE
        usage = encode_json({"choices": [], "usage": completion_usage(self.usage)})
        return self.head + b"," + usage[1:] + b"\n\n" + DONE

    def fail(self, error: GatewayError) -> bytes:
        """Return the error and ``[DONE]``."""
        return encode_data(encode_json({"error": error_object(error)})) + DONE


def completion_reply(
    context: ReplyContext, prefix: str, kind: str, choices: Sequence[Any], usage: Usage
) -> HttpReply:
    """Return a whole completion."""
    head = _head(context, prefix, kind)
    return json_reply({**head, "choices": choices, "usage": completion_usage(usage)})


def _head(context: ReplyContext, prefix: str, kind: str) -> dict[str, Any]:
    return {
        "id": context.new_id(prefix),
        "object": kind,
        "created": context.created,
        "model": context.model,
    }
