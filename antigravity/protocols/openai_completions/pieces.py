"""Encodes events as pieces of text, which streams send and whole completions join."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from antigravity.ir.events import (
    Finish,
    LogprobsDelta,
    MediaOutput,
    RefusalDelta,
    TextDelta,
)
from antigravity.protocols.event_sequencer import ChoiceStart, OrderedEvent
from antigravity.protocols.openai_chunks import FINISH_REASONS
from antigravity.protocols.openai_shapes import media_as_text

JsonObject = dict[str, Any]

#: Finish reasons of a protocol without tools.
_FINISH_REASONS: Final = FINISH_REASONS | {"tool_calls": "stop"}


class ChoicePieces:
    """Encoder of one choice; ``echoes`` are the texts that the choices begin with, if any."""

    def __init__(self, index: int, echoes: Sequence[str]) -> None:
        self._index = index
        self._echo = echoes[index] if index < len(echoes) else ""
        self._offset = len(self._echo)  # of the next token that gets its log probability

    def of(self, event: OrderedEvent) -> JsonObject | None:
        """Return the choice of a chunk, ``None`` if the protocol has none for the event.

        It has none for reasoning and tool calls.
        """
        match event:
            case TextDelta() | RefusalDelta():
                return self._piece(event.text)
            case ChoiceStart():
                return self._piece(self._echo) if self._echo else None
            case MediaOutput():
                text = event.transcript or media_as_text(event.mime_type, event.source)
                return self._piece(text)
            case LogprobsDelta():
                logprobs = _logprobs(event.content, self._offset)
                self._offset += sum(map(len, logprobs["tokens"]))
                return self._piece("", logprobs=logprobs)
            case Finish():
                return self._piece("", finish=_FINISH_REASONS[event.reason])
        return None

    def _piece(
        self, text: str, *, finish: str | None = None, logprobs: JsonObject | None = None
    ) -> JsonObject:
        return {"index": self._index, "text": text, "logprobs": logprobs, "finish_reason": finish}


def _logprobs(content: Iterable[dict[str, Any]], offset: int) -> JsonObject:
    """Return log probabilities as lists; ``offset`` is the offset of the first token."""
    tokens: list[str] = []
    probabilities: list[float] = []
    alternatives: list[dict[str, float]] = []
    offsets: list[int] = []
    for entry in content:
        token = str(entry.get("token", ""))
        tokens.append(token)
        probabilities.append(entry.get("logprob", 0.0))
        others = entry.get("top_logprobs") or ()
        alternatives.append({other["token"]: other["logprob"] for other in others})
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": tokens,
        "token_logprobs": probabilities,
        "top_logprobs": alternatives,
        "text_offset": offsets,
    }
