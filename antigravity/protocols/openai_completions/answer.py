"""Pieces of an answer that streams and whole replies write alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from antigravity.ir.events import FinishReason

_FINISH: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "stop_sequence": "stop",
    "tool_calls": "stop",  # there are no tools in this protocol
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "length",
}


def finish_reason(reason: FinishReason) -> str:
    """Return OpenAI's word for the end of a choice."""
    return _FINISH[reason]


def echo_of(echoes: Sequence[str], index: int) -> str:
    """Return what a choice begins with; ``echoes`` are of all choices, or none."""
    return echoes[index] if index < len(echoes) else ""


def legacy_logprobs(content: Iterable[dict[str, Any]], offset: int) -> dict[str, Any]:
    """Return log probabilities as lists; ``offset`` is the place of the first token."""
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


def choice_object(
    index: int,
    text: str,
    finish: str | None = None,
    logprobs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one choice of an answer or of a chunk, which have the same shape."""
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}
