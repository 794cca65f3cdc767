"""Encodes streamed completions."""

from __future__ import annotations

from antigravity.ir.call import ReplyContext
from antigravity.ir.events import TextDelta
from antigravity.protocols.event_sequencer import ChoiceStart, EventOrder, OrderedEvent
from antigravity.protocols.openai_chunks import ChunkEncoder, encode_json
from antigravity.protocols.openai_completions.pieces import ChoicePieces
from antigravity.protocols.openai_completions.request import echoed


class CompletionStreamEncoder(ChunkEncoder):
    """Encoder of one streamed completion."""

    def __init__(self, context: ReplyContext) -> None:
        order = EventOrder(choices=None, parallel_calls=True)
        super().__init__(context, order, "cmpl-", "text_completion")
        self._echoes = echoed(context.call)
        self._choices: dict[int, ChoicePieces] = {}
        # Nearly all chunks are text of the first choice, so their frame is made once.
        self._before_text = self.head + b',"choices":[{"index":0,"text":'
        self._after_text = b',"logprobs":null,"finish_reason":null}]' + self.tail

    def write(self, event: OrderedEvent) -> bytes:
        """Return the chunk of one event."""
        index = event.choice
        if index == 0 and isinstance(event, TextDelta):
            return self._before_text + encode_json(event.text) + self._after_text
        if isinstance(event, ChoiceStart):
            self._choices[index] = ChoicePieces(index, self._echoes)
        piece = self._choices[index].of(event)
        return b"" if piece is None else self.chunk(piece)
