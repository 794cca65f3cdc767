"""Encodes whole completions."""

from __future__ import annotations

from collections.abc import Sequence

from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.response import Choice, Response, unfold
from antigravity.protocols.event_sequencer import ChoiceStart
from antigravity.protocols.openai_chunks import completion_reply
from antigravity.protocols.openai_completions.pieces import ChoicePieces, JsonObject
from antigravity.protocols.openai_completions.request import echoed


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return a completion."""
    echoes = echoed(context.call)
    choices = [_choice(choice, index, echoes) for index, choice in enumerate(response.choices)]
    return completion_reply(context, "cmpl-", "text_completion", choices, response.usage)


def _choice(choice: Choice, index: int, echoes: Sequence[str]) -> JsonObject:
    """Return one choice with its pieces joined."""
    whole: JsonObject = {"index": index, "text": "", "logprobs": None, "finish_reason": None}
    pieces = ChoicePieces(index, echoes)
    for event in (ChoiceStart(index), *unfold(choice, index)):
        piece = pieces.of(event)
        if piece is not None:
            whole["text"] += piece["text"]
            whole["logprobs"] = piece["logprobs"] or whole["logprobs"]
            whole["finish_reason"] = piece["finish_reason"]
    return whole
