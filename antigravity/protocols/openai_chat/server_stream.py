"""Encodes streamed chat completions."""

from __future__ import annotations

from antigravity.ir.call import ReplyContext
from antigravity.ir.events import TextDelta, ThinkingDelta
from antigravity.protocols.event_sequencer import ChoiceStart, EventOrder, OrderedEvent
from antigravity.protocols.openai_chat.server_deltas import ChoiceDeltas, is_legacy
from antigravity.protocols.openai_chunks import ChunkEncoder, encode_json


class ChatStreamEncoder(ChunkEncoder):
    """Encoder of one streamed chat completion."""

    def __init__(self, context: ReplyContext) -> None:
        # The SDK keeps choices in a list and fails if a higher index arrives first.
        order = EventOrder(choices=context.request.sampling.n, parallel_calls=True)
        super().__init__(context, order, "chatcmpl-", "chat.completion.chunk")
        self._context = context
        self._legacy = is_legacy(context)
        self._choices: dict[int, ChoiceDeltas] = {}
        # Nearly all chunks are text of the first choice, so their frame is made once.
        before = self.head + b',"choices":[{"index":0,"delta":{"%b":'
        self._text_before = before % b"content"
        self._thinking_before = before % b"reasoning_content"
        self._after = b'},"logprobs":null,"finish_reason":null}]' + self.tail

    def write(self, event: OrderedEvent) -> bytes:
        """Return the chunk of one event."""
        index = event.choice
        if index == 0 and isinstance(event, TextDelta):
            self._choices[0].length += len(event.text)
            return self._text_before + encode_json(event.text) + self._after
        if index == 0 and isinstance(event, ThinkingDelta):
            return self._thinking_before + encode_json(event.text) + self._after
        if isinstance(event, ChoiceStart):
            self._choices[index] = ChoiceDeltas(self._context, index, legacy=self._legacy)
        choice = self._choices[index].of(event)
        return b"" if choice is None else self.chunk(choice)
