"""Encodes events as the chunks of a ``streamGenerateContent`` response.

A chunk always has a candidate with a part: SDKs drop a whole turn from their history if one
chunk of it has none.  Finish reasons wait for the last chunk, which also has the usage.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import ResponseStart, ToolCallEnd
from antigravity.protocols.event_sequencer import ChoiceStart, EventOrder, OrderedEvent
from antigravity.protocols.gemini import token_counts
from antigravity.protocols.gemini.errors import failed_chunk
from antigravity.protocols.gemini.frames import framer_for
from antigravity.protocols.gemini.server_candidate import Candidate, shows_thoughts
from antigravity.protocols.stream_encoder import StreamEncoder

_ORDER = EventOrder(choices=None, parallel_calls=True, every_finish=False)


class GeminiStreamEncoder(StreamEncoder):
    """Encodes one streamed response."""

    def __init__(self, context: ReplyContext) -> None:
        super().__init__(_ORDER)
        self._framer = framer_for(context.call)
        self.content_type = self._framer.content_type
        self._context = context
        self._thoughts = shows_thoughts(context.request)
        self._identity: dict[str, str] = {}
        self._candidates: dict[int, Candidate] = {}

    def start(self, event: ResponseStart) -> bytes:
        """Store the fields that each chunk repeats."""
        self._identity = identity(event.id, event.model, self._context)
        return b""

    def write(self, event: OrderedEvent) -> bytes:
        """Return the chunk of the part that an event completes."""
        index = event.choice
        if isinstance(event, ChoiceStart):
            self._candidates[index] = Candidate(index, thoughts=self._thoughts)
            return b""
        candidate = self._candidates[index]
        if isinstance(event, ToolCallEnd):
            candidate.finish = self.sequencer.finish_of(index)
        part = candidate.part(event)
        return b"" if part is None else self._chunk([candidate.encode([part])], {})

    def keepalive(self) -> bytes:
        """Return white space in an open array, else nothing."""
        return b"" if self.sequencer.over else self._framer.keepalive()

    def complete(self) -> bytes:
        """Return the last chunk, with all finish reasons and the usage."""
        last = [self._candidates[index].encode_last([]) for index in sorted(self._candidates)]
        usage = {"usageMetadata": token_counts.to_wire(self.usage)}
        return self._chunk(last, usage) + self._framer.end()

    def fail(self, error: GatewayError) -> bytes:
        """Return the error as the last chunk, and the end of the stream."""
        return self._framer.frame(failed_chunk(error)) + self._framer.end()

    def _chunk(self, candidates: list[dict[str, Any]], more: dict[str, Any]) -> bytes:
        chunk = {"candidates": candidates, **more, **self._identity}
        return self._framer.frame(msgspec.json.encode(chunk))


def identity(response_id: str, model: str, context: ReplyContext) -> dict[str, str]:
    """Return the fields that identify a response."""
    return {
        "modelVersion": model or context.model,
        "responseId": response_id or context.new_id(""),
    }
